use serde::{Deserialize, Serialize};

/// A cell of the finest table. The texts are the caller's; the crate only compares them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The vaccine.
    pub vaccine: String,
    /// The year of the dose; `None` if unknown.
    pub year: Option<i32>,
    /// The age group on the day of the dose.
    pub age: String,
    /// The sex.
    pub sex: String,
    /// The number of the dose, or what stands for it.
    pub dose: String,
}

/// A label that a cell has beside its vaccine; with the vaccine it names a margin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Label {
    /// The year of the dose; `None` if unknown.
    Year(Option<i32>),
    /// The age group.
    Age(String),
    /// The sex.
    Sex(String),
    /// The number of the dose.
    Dose(String),
}

/// A column of the finest table beside the vaccine. Each has its margins: the sums by this column and vaccine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Axis {
    /// The year of the dose.
    Year,
    /// The age group.
    Age,
    /// The sex.
    Sex,
    /// The number of the dose.
    Dose,
}

impl Axis {
    /// All of them, in the order in which their margins are released.
    pub const ALL: [Self; 4] = [Self::Year, Self::Age, Self::Sex, Self::Dose];
}

impl Key {
    /// Returns the label on one axis.
    pub fn label(&self, axis: Axis) -> Label {
        match axis {
            Axis::Year => Label::Year(self.year),
            Axis::Age => Label::Age(self.age.clone()),
            Axis::Sex => Label::Sex(self.sex.clone()),
            Axis::Dose => Label::Dose(self.dose.clone()),
        }
    }
}

impl Label {
    /// Returns the axis on which the label stands.
    pub fn axis(&self) -> Axis {
        match self {
            Self::Year(_) => Axis::Year,
            Self::Age(_) => Axis::Age,
            Self::Sex(_) => Axis::Sex,
            Self::Dose(_) => Axis::Dose,
        }
    }
}

/// Where a fact is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// In a cell of the table.
    Cell(Key),
    /// Outside the table, for this reason.
    Excluded(String),
}
