//! Every word that people read, in both official languages.

use crate::arguments::Lang;

macro_rules! words {
    ($($name:ident: $en:literal, $fr:literal;)+) => {
        /// A word or a phrase of the output.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Word { $(#[doc = $en] $name,)+ }

        impl Word {
            /// Every word.
            #[cfg(test)]
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns it in a language.
            pub fn in_lang(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Self::$name, Lang::En) => $en, (Self::$name, Lang::Fr) => $fr,)+ }
            }
        }
    };
}

words! {
    // heads of tables
    Transfer: "TRANSFER", "TRANSFERT";
    State: "STATE", "ÉTAT";
    To: "TO", "VERS";
    From: "FROM", "DE";
    Requested: "REQUESTED", "DEMANDÉ";
    Received: "RECEIVED", "REÇU";
    Attempts: "ATTEMPTS", "TENTATIVES";
    Standing: "STANDING", "SITUATION";
    Peer: "PEER", "PAIR";
    Name: "NAME", "NOM";
    Lane: "LANE", "VOIE";
    Waiting: "WAITING", "EN ATTENTE";
    Dead: "DEAD", "ABANDONNÉS";
    Oldest: "OLDEST", "PLUS ANCIEN";
    Why: "WHY", "RAISON";
    Check: "CHECK", "CONTRÔLE";
    Result: "RESULT", "RÉSULTAT";
    Number: "NUMBER", "NOMBRE";
    Release: "RELEASE", "PUBLICATION";
    Series: "SERIES", "SÉRIE";
    AsOf: "AS OF", "EN DATE DU";
    Published: "PUBLISHED", "PUBLIÉE";
    PublishedBy: "BY AND WHY", "PAR QUI ET POURQUOI";
    Jurisdiction: "JURISDICTION", "PROVINCE OU TERRITOIRE";
    Status: "STATUS", "STATUT";
    Margin: "MARGIN", "MARGE";
    Sums: "SUMS", "SOMMES";
    HiddenHead: "HIDDEN", "MASQUÉES";
    Group: "GROUP", "GROUPE";
    Before: "BEFORE", "AVANT";
    After: "AFTER", "APRÈS";
    ChangeHead: "CHANGE", "ÉCART";
    Threshold: "THRESHOLD", "SEUIL";
    Total: "TOTAL", "TOTAL";
    ChangesWaiting: "CHANGES WAITING", "CHANGEMENTS EN ATTENTE";
    Excluded: "EXCLUDED", "EXCLUES";
    Cells: "CELLS", "CELLULES";
    Checksum: "CHECKSUM", "SOMME DE CONTRÔLE";
    // states
    StateRequested: "requested", "demandé";
    StateSealed: "sealed", "scellé";
    StateDelivered: "delivered", "livré";
    StateCompleted: "completed", "terminé";
    StateRejected: "rejected", "refusé";
    StateDead: "dead", "abandonné";
    StateCancelled: "cancelled", "annulé";
    StateReceived: "received", "reçu";
    StatePlanned: "planned", "planifié";
    StateCommitted: "committed", "enregistré";
    StateRefused: "refused", "refusé";
    // lanes
    LaneOpen: "open", "ouverte";
    LaneParked: "parked", "retenue";
    LanePaused: "paused", "en pause";
    // phrases
    Parked: "parked", "retenu";
    RetryingIn: "retrying in", "nouvelle tentative dans";
    Working: "being worked on", "en cours";
    By: "by", "par";
    NoTransfers: "no transfers", "aucun transfert";
    NoPeers: "no peers in the directory", "aucun pair dans le répertoire";
    Sendable: "would be sent", "serait envoyé";
    NotSendable: "would not be sent", "ne serait pas envoyé";
    Bytes: "bytes", "octets";
    TimedOut: "it has not ended yet; follow it with `iidictl transfer watch`",
        "le transfert n'est pas terminé; suivez-le avec `iidictl transfer watch`";
    Error: "error", "erreur";
    // releases
    ByJurisdiction: "jurisdiction", "province ou territoire";
    ByYear: "year", "année";
    ByAge: "age", "âge";
    BySex: "sex", "sexe";
    ByVaccine: "vaccine", "vaccin";
    ByDose: "dose", "dose";
    ValueUnknown: "Unknown", "Inconnu";
    ValueUnknownYearOrDose: "Unknown", "Inconnue";
    ValueUnmapped: "Unmapped", "Sans correspondance";
    ValueMixed: "Mixed", "Mixte";
    ValueFemale: "Female", "Féminin";
    ValueMale: "Male", "Masculin";
    ValueOther: "Other", "Autre";
    Hidden: "of them hidden", "dont masquées";
    Suppressed: "x: suppressed; nothing is computed from it",
        "x\u{a0}: supprimé; aucun calcul ne s'y appuie";
    NoReleases: "no release yet", "aucune publication";
    NothingPublished: "nothing was published", "rien n'a été publié";
    NewSeriesAsk: "A new series hides other cells than the one before. Whoever subtracts the two may find a number that \
either hides;\nthis is not protected and cannot be undone. Begin a new series? [y/N]",
        "Une nouvelle série masque d'autres cellules que la précédente. Quiconque soustrait l'une de l'autre peut trouver un\nnombre que l'une d'elles masque; rien ne protège contre cela, et c'est irréversible. Commencer une nouvelle série? [o/N]";
    ContractBroken: "this release breaks its contract; the federator will not take it over",
        "cette publication ne respecte pas le contrat; le fédérateur ne l'acceptera pas";
    OtherSeries: "of two series: subtracting them may tell what either hides, so keep this comparison inside the province",
        "de deux séries\u{a0}: les soustraire peut révéler ce que l'une masque; cette comparaison ne doit pas quitter la province \
ou le territoire";
    HiddenDifferently: "numbers that only one of two releases of a series hides; there must be none",
        "nombres qu'une seule de deux publications d'une même série masque; il ne doit y en avoir aucun";
    NothingDiffers: "nothing differs", "aucun écart";
    Differ: "differ", "avec un écart";
    NotCompared: "in one of the two only, not compared", "dans une seule des deux, non comparée";
    // sources
    NoSources: "no provinces or territories in the directory", "aucune province ni territoire dans le répertoire";
    Stale: "stale", "ancienne";
    Unavailable: "unavailable", "indisponible";
    Invalid: "invalid", "invalide";
    Suspended: "suspended", "suspendue";
    // the audit trail
    TrailGood: "the audit trail is whole", "le journal d'audit est intact";
    TrailBroken: "the audit trail is NOT whole", "le journal d'audit n'est PAS intact";
    Chains: "chains", "chaînes";
    Rows: "rows", "lignes";
    Heads: "heads told of", "têtes de chaîne annoncées";
    NoHeads: "without --log or --head nobody can tell whether the end of the last chain was cut off, or all written anew",
        "sans --log ni --head, on ne peut savoir si la fin de la dernière chaîne a été coupée ou si tout a été réécrit";
    HeadsToKeep: "heads to keep where the database's owner cannot write, for --head",
        "têtes à conserver hors de portée du propriétaire de la base, pour --head";
    ToldBy: "told by", "selon";
    ToldOutside: "a log or --head", "un journal ou --head";
    Removed: "a row was removed", "une ligne a été retirée";
    Altered: "a row was altered", "une ligne a été modifiée";
    Moved: "a row stands in another's place", "une ligne est à la place d'une autre";
    Rewritten: "a chain was written anew", "une chaîne a été réécrite";
    Gap: "numbers of a chain are missing", "des numéros d'une chaîne manquent";
    CutOff: "the end of a chain was cut off", "la fin d'une chaîne a été coupée";
    Unlinked: "a row that no process has linked", "une ligne qu'aucun processus n'a liée";
    // checks
    Ok: "ok", "ok";
    Warning: "warning", "avertissement";
    Failed: "failed", "échec";
    CheckApi: "outbound API and token", "API des transferts sortants et jeton";
    CheckInbound: "inbound API and token", "API des transferts entrants et jeton";
    CheckReady: "ready", "prêt";
    CheckClock: "clock", "horloge";
    CheckCertificate: "own certificate", "certificat du service";
    CheckDirectory: "peer directory", "répertoire des pairs";
    CheckHandshake: "handshake with", "liaison TLS avec";
    CheckLane: "lane to", "voie vers";
    NotConfigured: "not configured, not checked", "non configuré, non contrôlé";
    HintServer: "is the service running, and is the token's scope transfer.read?",
        "le service fonctionne-t-il, et le jeton a-t-il la portée transfer.read?";
    HintReady: "see the service's log; it names the dependency that does not answer",
        "voir le journal du service; il nomme la dépendance qui ne répond pas";
    HintClock: "set the clock by NTP on both machines", "synchronisez l'horloge des deux machines par NTP";
    HintCertificate: "renew it; the services read it again while they run",
        "renouvelez-le; les services le relisent sans redémarrage";
    HintHandshake: "compare both sides' certificates, trust bundles and revocation lists; the peer's log gives the reason",
        "comparez les certificats, les ancres de confiance et les listes de révocation des deux côtés; le journal du pair donne la raison";
    HintLane: "see `iidictl peer list`", "voir `iidictl peer list`";
    HintDirectory: "correct the entry; the last good one holds meanwhile",
        "corrigez l'entrée; entre-temps, la dernière entrée valide reste en vigueur";
    DaysLeft: "days left", "jours restants";
}

/// Tells whether an answer to a question is yes, in either language.
pub fn is_yes(answer: &str) -> bool {
    ["y", "yes", "o", "oui"].contains(&answer.trim().to_lowercase().as_str())
}

/// Returns a state's word; one that this version does not know stays as it is.
pub fn state(state: &str, lang: Lang) -> &str {
    let word = match state {
        "requested" => Word::StateRequested,
        "sealed" => Word::StateSealed,
        "delivered" => Word::StateDelivered,
        "completed" => Word::StateCompleted,
        "rejected" => Word::StateRejected,
        "dead" => Word::StateDead,
        "cancelled" => Word::StateCancelled,
        "received" => Word::StateReceived,
        "planned" => Word::StatePlanned,
        "committed" => Word::StateCommitted,
        "refused" => Word::StateRefused,
        other => return other,
    };
    word.in_lang(lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_lacks_a_language() {
        for word in Word::ALL {
            for lang in [Lang::En, Lang::Fr] {
                assert!(!word.in_lang(lang).trim().is_empty(), "{word:?}");
            }
        }
    }

    #[test]
    fn french_is_spaced_as_canadas_federal_institutions_space_it() {
        for word in Word::ALL {
            let french = word.in_lang(Lang::Fr);
            let before =
                |mark: char| french.match_indices(mark).map(|(at, _)| french[..at].chars().next_back());
            assert!(
                before(':').all(|one| one == Some('\u{a0}')),
                "a no-break space before a colon: {french}"
            );
            let is_space = |one: Option<char>| one.is_some_and(char::is_whitespace);
            assert!([';', '!', '?'].into_iter().all(|mark| !before(mark).any(is_space)), "{french}");
        }
    }

    #[test]
    fn whatever_is_not_yes_is_no() {
        for yes in ["y\n", "Yes", " OUI \n", "o"] {
            assert!(is_yes(yes), "{yes}");
        }
        for no in ["", "\n", "n", "yes please", "ok"] {
            assert!(!is_yes(no), "{no}");
        }
    }

    #[test]
    fn every_state_of_a_transfer_has_a_french_word() {
        for known in domain::TransferState::ALL {
            assert_ne!(state(known.as_str(), Lang::Fr), known.as_str());
        }
    }
}
