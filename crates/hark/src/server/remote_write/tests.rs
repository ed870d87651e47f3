use super::*;

#[test]
fn a_stretch_is_written_and_read() {
    let mark = |segment, offset, frames| Mark { place: LogPlace { segment, offset }, frames };
    let stretch = Stretch { from: mark(3, 1234, 0), to: mark(4, 8, 17) };
    assert_eq!(stretch.text(), "3:1234:0 4:8:17");
    assert_eq!(Stretch::parse(&stretch.text()), Some(stretch));
    for wrong in ["", "1:2:3", "1:2 3:4:5", "a:b:c d:e:f"] {
        assert_eq!(Stretch::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn the_log_is_kept_for_the_one_who_is_furthest_behind() {
    let kept = Kept::default();
    assert_eq!(kept.from(), None, "there is nobody");
    kept.is_for(["a", "b"].into_iter(), 0);
    assert_eq!(kept.from(), Some(0), "nobody's place is known");
    kept.reaches("a", 7);
    assert_eq!(kept.from(), Some(0), "one is not known");
    kept.reaches("b", 5);
    assert_eq!(kept.from(), Some(4));
    kept.is_for(["a", "b"].into_iter(), 0);
    assert_eq!(kept.from(), Some(4), "those who stay are where they were");
    kept.is_for(["a"].into_iter(), 0);
    assert_eq!(kept.from(), Some(6), "one is no more");
    kept.reaches("b", 1);
    kept.is_for(["a", "b"].into_iter(), 0);
    assert_eq!(kept.from(), Some(0), "one of that name is a new one");
}
