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
    Attempts: "ATTEMPTS", "ESSAIS";
    Standing: "STANDING", "SITUATION";
    Peer: "PEER", "PAIR";
    Name: "NAME", "NOM";
    Lane: "LANE", "VOIE";
    Waiting: "WAITING", "EN ATTENTE";
    Dead: "DEAD", "MORTS";
    Oldest: "OLDEST", "PLUS ANCIEN";
    Why: "WHY", "RAISON";
    Check: "CHECK", "CONTRÔLE";
    Result: "RESULT", "RÉSULTAT";
    // states
    StateRequested: "requested", "demandé";
    StateSealed: "sealed", "scellé";
    StateDelivered: "delivered", "livré";
    StateCompleted: "completed", "terminé";
    StateRejected: "rejected", "refusé";
    StateDead: "dead", "mort";
    StateCancelled: "cancelled", "annulé";
    StateReceived: "received", "reçu";
    StatePlanned: "planned", "planifié";
    StateCommitted: "committed", "enregistré";
    StateRefused: "refused", "refusé";
    // lanes
    LaneOpen: "open", "ouverte";
    LaneParked: "parked", "garée";
    LanePaused: "paused", "en pause";
    // phrases
    Parked: "parked", "garé";
    RetryingIn: "retrying in", "nouvel essai dans";
    Working: "being worked on", "en cours";
    By: "by", "par";
    NoTransfers: "no transfers", "aucun transfert";
    NoPeers: "no peers in the directory", "aucun pair dans le répertoire";
    Sendable: "would be sent", "serait envoyé";
    NotSendable: "would not be sent", "ne serait pas envoyé";
    Bytes: "bytes", "octets";
    TimedOut: "it has not ended yet; follow it with `iidictl transfer watch`",
        "il n'est pas terminé; suivez-le avec `iidictl transfer watch`";
    Error: "error", "erreur";
    // the audit trail
    TrailGood: "the audit trail is whole", "le journal d'audit est intact";
    TrailBroken: "the audit trail is NOT whole", "le journal d'audit n'est PAS intact";
    Chains: "chains", "chaînes";
    Rows: "rows", "lignes";
    Heads: "heads from logs and later chains", "têtes nommées par les journaux et les chaînes suivantes";
    NoHeads: "without --log nobody can tell whether the end of the last chain was cut off",
        "sans --log, on ne peut savoir si la fin de la dernière chaîne a été coupée";
    Removed: "a row was removed", "une ligne a été retirée";
    Altered: "a row was altered, or stands in another place", "une ligne a été modifiée ou déplacée";
    Gap: "numbers of a chain are missing", "des numéros d'une chaîne manquent";
    CutOff: "the end of a chain was cut off", "la fin d'une chaîne a été coupée";
    Unlinked: "a row that no process has linked", "une ligne qu'aucun processus n'a liée";
    // checks
    Ok: "ok", "ok";
    Warning: "warning", "avertissement";
    Failed: "failed", "échec";
    CheckApi: "outbound API and token", "API sortante et jeton";
    CheckInbound: "inbound API and token", "API entrante et jeton";
    CheckReady: "ready", "prêt";
    CheckClock: "clock", "horloge";
    CheckCertificate: "own certificate", "certificat propre";
    CheckDirectory: "peer directory", "répertoire des pairs";
    CheckHandshake: "handshake with", "poignée de main avec";
    CheckLane: "lane to", "voie vers";
    NotConfigured: "not configured, not checked", "non configuré, non contrôlé";
    HintServer: "is the service running, and is the token's scope transfer.read?",
        "le service fonctionne-t-il, et le jeton a-t-il la portée transfer.read?";
    HintReady: "see the service's log; it names the dependency that does not answer",
        "voir le journal du service; il nomme la dépendance qui ne répond pas";
    HintClock: "set the clock by NTP on both machines", "réglez l'horloge par NTP sur les deux machines";
    HintCertificate: "renew it; the services read it again while they run",
        "renouvelez-le; les services le relisent sans redémarrage";
    HintHandshake: "compare both sides' certificates, trust bundles and revocation lists; the peer's log gives the reason",
        "comparez les certificats, ancres et listes de révocation des deux côtés; le journal du pair donne la raison";
    HintLane: "see `iidictl peer list`", "voir `iidictl peer list`";
    HintDirectory: "correct the entry; the last good one holds meanwhile",
        "corrigez l'entrée; la dernière bonne reste en vigueur";
    DaysLeft: "days left", "jours restants";
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
    fn every_state_of_a_transfer_has_a_french_word() {
        for known in domain::TransferState::ALL {
            assert_ne!(state(known.as_str(), Lang::Fr), known.as_str());
        }
    }
}
