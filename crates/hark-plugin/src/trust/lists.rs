//! What the access list of a file or folder of Windows lets others do to it. Bytes in, a judgement out: it is
//! tested wherever hark is built.
//!
//! Nobody is asked who belongs to which group: besides [`SYSTEM`], [`ADMINISTRATORS`], [`INSTALLER`] and the
//! user who runs hark, whoever is named is somebody else. What forbids is passed over, since it can only
//! take away; what cannot be understood is taken for the worst.

use std::fmt;

/// A user or a group of Windows, by its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sid {
    authority: u64,
    /// Those behind `len` are 0.
    parts: [u32; Sid::PARTS],
    len: usize,
}

impl Sid {
    /// The most parts there are.
    const PARTS: usize = 15;

    /// Makes one of its parts.
    pub(crate) fn of(authority: u64, parts: &[u32]) -> Self {
        let mut sid =
            Self { authority, parts: [0; Self::PARTS], len: parts.len().min(Self::PARTS) };
        for (to, from) in sid.parts.iter_mut().zip(parts) {
            *to = *from;
        }
        sid
    }

    /// Reads the one that stands at the beginning of `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let &[1, len, ..] = bytes else { return None };
        let bytes = bytes.get(2..8 + 4 * usize::from(len))?;
        let (authority, parts) = bytes.split_at_checked(6)?;
        let authority = authority.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let parts: Vec<u32> = parts.chunks_exact(4).map(little_end).collect();
        (parts.len() <= Self::PARTS).then(|| Self::of(authority, &parts))
    }

    fn parts(&self) -> &[u32] {
        self.parts.get(..self.len).unwrap_or_default()
    }

    fn is(&self, known: Known) -> bool {
        self.authority == known.0 && self.parts() == known.1
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-1-{}", self.authority)?;
        self.parts().iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One that is the same on every machine.
type Known = (u64, &'static [u32]);

/// The system itself.
const SYSTEM: Known = (5, &[18]);
/// Those who administer the machine.
const ADMINISTRATORS: Known = (5, &[32, 544]);
/// The service that owns what belongs to Windows.
const INSTALLER: Known =
    (5, &[80, 956_008_885, 3_418_522_649, 1_831_038_044, 1_853_292_631, 2_271_478_464]);
/// Stands for the owner: in what is inherited, whoever that will be.
const CREATOR: Known = (3, &[0]);
/// Stands for the owner of this object.
const OWNER: Known = (3, &[4]);

/// Rights that change what a file holds, or who may: to write, to append, its attributes (which make it
/// another file), to delete, its list, its owner, and those words that stand for several.
const CHANGES_FILE: u32 = 0x2 | 0x4 | 0x10 | 0x100 | CHANGES_NAME | 0x4000_0000;
/// Rights that put another thing in the place of a folder or of what is in it: to delete what it holds,
/// itself, its list, its owner, everything.
const CHANGES_FOLDER: u32 = 0x40 | CHANGES_NAME;
/// To delete or rename it, to change its list or its owner, everything, and what the system decides.
const CHANGES_NAME: u32 = 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x1000_0000 | 0x0200_0000;
/// Rights that put something beside a program: Windows looks for libraries there first.
const ADDS: u32 = 0x2 | 0x4 | 0x10 | 0x100 | 0x4000_0000;

/// What a thing is for the program that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is the program.
    Program,
    /// It is the folder that holds it.
    Holder,
    /// It is a folder above that.
    Above,
    /// It is a folder that is nobody else's business, to read or to write.
    Private,
}

/// Why something is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Somebody else owns it, and may therefore do anything.
    Owner(Sid),
    /// Somebody else may change it.
    Changes(Sid),
    /// Everybody may do everything: there is no list.
    NoList,
    /// It cannot be told.
    Unclear,
}

/// Judges a descriptor as the system keeps it (self-relative). `user` is who runs hark.
pub(crate) fn judge(descriptor: &[u8], role: Role, user: &Sid) -> Result<(), Fault> {
    let descriptor = Descriptor::read(descriptor).ok_or(Fault::Unclear)?;
    let is_ours = |sid: &Sid| {
        sid == user || [SYSTEM, ADMINISTRATORS, INSTALLER].iter().any(|known| sid.is(*known))
    };
    if !is_ours(&descriptor.owner) {
        return Err(Fault::Owner(descriptor.owner));
    }
    let Some(mut list) = descriptor.list else { return Err(Fault::NoList) };
    for _ in 0..descriptor.entries {
        let (entry, rest) = Entry::read(list).ok_or(Fault::Unclear)?;
        list = rest;
        // What is handed down to what is made in it later is judged there; in a folder of our own it is
        // judged here, for all that we make.
        let counts = match entry.kind {
            Kind::Allows => !entry.is_for_heirs || role == Role::Private,
            Kind::Forbids => false,
            Kind::Unknown => return Err(Fault::Unclear),
        };
        if !counts {
            continue;
        }
        let sid = Sid::read(entry.sid).ok_or(Fault::Unclear)?;
        let stands_for_owner = sid.is(OWNER) || (sid.is(CREATOR) && entry.is_for_heirs);
        if entry.rights & role.rights() != 0 && !is_ours(&sid) && !stands_for_owner {
            return Err(Fault::Changes(sid));
        }
    }
    Ok(())
}

impl Role {
    fn rights(self) -> u32 {
        match self {
            Self::Program => CHANGES_FILE,
            Self::Holder => CHANGES_FOLDER | ADDS,
            Self::Above => CHANGES_FOLDER,
            Self::Private => u32::MAX,
        }
    }
}

/// What of a descriptor is looked at.
struct Descriptor<'b> {
    owner: Sid,
    /// The entries, one behind the other; none if there is no list.
    list: Option<&'b [u8]>,
    entries: u16,
}

impl<'b> Descriptor<'b> {
    fn read(bytes: &'b [u8]) -> Option<Self> {
        /// There is a list, even if it is not there: then it allows everything.
        const HAS_LIST: u16 = 0x4;
        /// Places are counted from the beginning.
        const SELF_RELATIVE: u16 = 0x8000;
        let control = word(bytes, 2)?;
        if bytes.first() != Some(&1) || control & SELF_RELATIVE == 0 {
            return None;
        }
        let owner = Sid::read(bytes.get(place(bytes, 4)?..)?)?;
        let at = place(bytes, 16);
        let (Some(at), true) = (at, control & HAS_LIST != 0) else {
            return Some(Self { owner, list: None, entries: 0 });
        };
        let list = bytes.get(at..)?;
        let len = usize::from(word(list, 2)?);
        Some(Self { owner, list: Some(list.get(8..len)?), entries: word(list, 4)? })
    }
}

enum Kind {
    Allows,
    Forbids,
    /// Something that this program was not taught: it may allow.
    Unknown,
}

struct Entry<'b> {
    kind: Kind,
    is_for_heirs: bool,
    rights: u32,
    sid: &'b [u8],
}

impl<'b> Entry<'b> {
    /// Reads the first one of a list; returns what is behind it, too.
    fn read(list: &'b [u8]) -> Option<(Self, &'b [u8])> {
        const FOR_HEIRS: u8 = 0x8;
        let (kind, flags) = (list.first()?, list.get(1)?);
        let (entry, rest) = list.split_at_checked(usize::from(word(list, 2)?))?;
        let kind = match kind {
            0 => Kind::Allows,
            // Those of objects and those with conditions forbid as well.
            1 | 6 | 10 | 12 => Kind::Forbids,
            _ => Kind::Unknown,
        };
        let rights = little_end(entry.get(4..8)?);
        let sid = entry.get(8..)?;
        Some((Self { kind, is_for_heirs: flags & FOR_HEIRS != 0, rights, sid }, rest))
    }
}

fn little_end(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Reads the number of a place; none if it is 0, which stands for "not there".
fn place(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(little_end(bytes.get(at..at + 4)?)).ok().filter(|place| *place > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Known = (5, &[21, 1, 2, 3, 1001]);
    const OTHER: Known = (5, &[21, 1, 2, 3, 1002]);
    const USERS: Known = (5, &[32, 545]);
    const EVERYBODY: Known = (1, &[0]);
    const EVERYTHING: u32 = 0x1f_01ff;
    const READS: u32 = 0x12_00a9;
    const HEIRS: u8 = 0x8;

    /// Kind, flags, rights, whom.
    type Given = (u8, u8, u32, Known);

    fn sid((authority, parts): Known) -> Sid {
        Sid::of(authority, parts)
    }

    fn written((authority, parts): Known) -> Vec<u8> {
        let mut bytes = vec![1, u8::try_from(parts.len()).unwrap()];
        bytes.extend(&authority.to_be_bytes()[2..]);
        bytes.extend(parts.iter().flat_map(|part| part.to_le_bytes()));
        bytes
    }

    fn descriptor(owner: Known, entries: &[Given]) -> Vec<u8> {
        let mut list = Vec::new();
        for (kind, flags, rights, whom) in entries {
            let whom = written(*whom);
            list.extend([*kind, *flags]);
            list.extend(u16::try_from(8 + whom.len()).unwrap().to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(whom);
        }
        let owner = written(owner);
        let at = 20 + owner.len();
        let mut bytes = vec![1, 0, 0x4, 0x80];
        for place in [20, 0, 0, at] {
            bytes.extend(u32::try_from(place).unwrap().to_le_bytes());
        }
        bytes.extend(owner);
        bytes.extend([2, 0]);
        bytes.extend(u16::try_from(8 + list.len()).unwrap().to_le_bytes());
        bytes.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(list);
        bytes
    }

    fn judged(role: Role, owner: Known, entries: &[Given]) -> Result<(), Fault> {
        judge(&descriptor(owner, entries), role, &sid(USER))
    }

    fn changes(whom: Known) -> Result<(), Fault> {
        Err(Fault::Changes(sid(whom)))
    }

    #[test]
    fn numbers_are_written_as_windows_writes_them() {
        for (known, text) in [
            (SYSTEM, "S-1-5-18"),
            (ADMINISTRATORS, "S-1-5-32-544"),
            (INSTALLER, "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"),
            (USER, "S-1-5-21-1-2-3-1001"),
        ] {
            let read = Sid::read(&written(known)).unwrap();
            assert_eq!((read, read.to_string().as_str()), (sid(known), text));
        }
        assert_eq!(Sid::read(&[1, 2, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]), None, "cut off");
        assert_eq!(Sid::read(&[1, 16]), None);
    }

    #[test]
    fn what_only_the_system_and_the_user_can_change_is_trusted() {
        // As in C:\Program Files.
        let usual = [
            (0, 0, EVERYTHING, INSTALLER),
            (0, 0, 0x1f_01bf, SYSTEM),
            (0, 0, 0x1f_01bf, ADMINISTRATORS),
            (0, 0, READS, USERS),
            (0, HEIRS, 0x1000_0000, CREATOR),
        ];
        for role in [Role::Program, Role::Holder, Role::Above] {
            assert_eq!(judged(role, INSTALLER, &usual), Ok(()));
            assert_eq!(judged(role, USER, &[(0, 0, EVERYTHING, USER)]), Ok(()));
        }
        assert_eq!(judged(Role::Private, USER, &usual), changes(USERS));
        let own = [(0, 3, EVERYTHING, SYSTEM), (0, 3, EVERYTHING, USER), (0, HEIRS, 1, CREATOR)];
        assert_eq!(judged(Role::Private, USER, &own), Ok(()));
    }

    #[test]
    fn what_others_can_change_is_not() {
        let good = (0, 0, EVERYTHING, SYSTEM);
        for rights in [0x2, 0x4, 0x10, 0x100, 0x1_0000, 0x4_0000, 0x8_0000, 0x1000_0000] {
            for whom in [OTHER, USERS, EVERYBODY, CREATOR] {
                let list = [good, (0, 0, rights, whom)];
                assert_eq!(judged(Role::Program, SYSTEM, &list), changes(whom));
                assert_eq!(judged(Role::Holder, SYSTEM, &list), changes(whom));
            }
        }
        assert_eq!(judged(Role::Program, OTHER, &[good]), Err(Fault::Owner(sid(OTHER))));
        let deletes = [good, (0, 0, 0x40, USERS)];
        assert_eq!(judged(Role::Above, SYSTEM, &deletes), changes(USERS));
    }

    #[test]
    fn who_may_add_to_a_folder_cannot_change_what_is_further_below() {
        // As in C:\, and in C:\ProgramData.
        let adds = [(0, 0, EVERYTHING, SYSTEM), (0, 0, 0x116, USERS), (0, 0xb, 0x0013_01bf, USERS)];
        assert_eq!(judged(Role::Above, INSTALLER, &adds), Ok(()));
        assert_eq!(judged(Role::Holder, INSTALLER, &adds), changes(USERS));
        assert_eq!(judged(Role::Private, INSTALLER, &adds), changes(USERS));
    }

    #[test]
    fn what_forbids_takes_nothing_back_and_what_is_unknown_is_the_worst() {
        let forbids = [(1, 0, EVERYTHING, EVERYBODY), (0, 0, 0x2, EVERYBODY)];
        assert_eq!(judged(Role::Program, SYSTEM, &forbids), changes(EVERYBODY));
        let only = [(1, 0, EVERYTHING, EVERYBODY), (12, 0, 1, OTHER)];
        assert_eq!(judged(Role::Program, SYSTEM, &only), Ok(()));
        for kind in [4, 5, 9, 11, 200] {
            let unknown = [(kind, 0, 0, SYSTEM)];
            assert_eq!(judged(Role::Program, SYSTEM, &unknown), Err(Fault::Unclear), "{kind}");
        }
        let mut none = descriptor(SYSTEM, &[]);
        assert_eq!(judge(&none, Role::Program, &sid(USER)), Ok(()), "nobody may anything");
        none[16..20].copy_from_slice(&[0; 4]);
        assert_eq!(judge(&none, Role::Program, &sid(USER)), Err(Fault::NoList));
        let mut absent = descriptor(SYSTEM, &[]);
        absent[2] = 0;
        assert_eq!(judge(&absent, Role::Program, &sid(USER)), Err(Fault::NoList));
    }

    #[test]
    fn a_descriptor_that_is_cut_off_anywhere_is_not_trusted() {
        let whole = descriptor(SYSTEM, &[(0, 0, EVERYTHING, SYSTEM), (0, 0, READS, USERS)]);
        assert_eq!(judge(&whole, Role::Program, &sid(USER)), Ok(()));
        for len in 0..whole.len() {
            let fault = judge(&whole[..len], Role::Program, &sid(USER)).unwrap_err();
            assert_eq!(fault, Fault::Unclear, "{len} bytes");
        }
    }
}
