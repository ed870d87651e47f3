use super::*;

const LIMITS: Limits = Limits { offset: (0.1, 1.0), max_stratum: 4, dispersion: 0.5 };

fn answer(leap: Leap, stratum: u8, root_dispersion: f64) -> Answer {
    let mut bytes = packet::question(0).to_vec();
    bytes[0] = 0b00_100_100;
    let answer = packet::read(&bytes, 0).unwrap();
    Answer { leap, stratum, root_dispersion, reference: *b"GPS ", ..answer }
}

fn judge(answer: Answer, offset: f64) -> Finding {
    LIMITS.judge(&Sample { answer, offset, delay: 0.001 })
}

#[test]
fn clocks_are_judged_by_how_far_they_are_apart() {
    for (offset, status) in [
        (0.05, Status::Ok),
        (-0.05, Status::Ok),
        (0.1, Status::Warning),
        (-0.5, Status::Warning),
        (-1.0, Status::Critical),
    ] {
        assert_eq!(judge(answer(Leap::None, 1, 0.0), offset).status, status, "{offset}");
    }
    let finding = judge(answer(Leap::None, 1, 0.0), -0.5);
    assert_eq!(finding.text, "the clocks differ: offset -500.000 ms, stratum 1, follows GPS");
}

#[test]
fn a_server_that_is_not_synchronised_is_critical() {
    for (leap, stratum) in [(Leap::NotSet, 2), (Leap::None, 16), (Leap::None, 5), (Leap::None, 0)] {
        let finding = judge(answer(leap, stratum, 0.0), 0.0);
        assert_eq!(finding.status, Status::Critical, "{leap:?} {stratum}");
    }
    assert_eq!(judge(answer(Leap::Added, 4, 0.0), 0.0).status, Status::Ok);
    assert_eq!(judge(answer(Leap::None, 4, 0.5), 0.0).status, Status::Warning);
    let kiss = Answer { reference: *b"RATE", ..answer(Leap::NotSet, 0, 0.0) };
    assert_eq!(judge(kiss, 0.0).text, "it does not want to tell the time: RATE");
}
