use super::*;
use crate::week::model::WEB;

/// The first host's service is one of those that flap.
const KEY: usize = WEB;
const OPS: usize = 0;

/// A service that is bad twice and good once, over and over, and whoever judges what is told of it.
struct Flapping {
    model: Model,
    judge: Judge,
    second: u64,
}

impl Flapping {
    /// Begins when it has long flapped, in the second in which it is believed to be bad.
    fn new() -> Self {
        let (model, judge) = (Model::new(Form::DAY), Judge::new(Form::DAY));
        let mut flapping = Self { model, judge, second: 0 };
        for _ in 0..10 {
            flapping.looks(&[true, true, false]);
        }
        flapping.looks(&[true, true]);
        assert!(flapping.model.thing(KEY).pages());
        flapping
    }

    /// A look each minute, of which the last is in the second that is judged next.
    fn looks(&mut self, bad: &[bool]) {
        for bad in bad {
            self.second += 60;
            self.model.second(self.second, &[], &[], &[(0, *bad)], &[]);
        }
    }

    fn told(&mut self, pages: bool) {
        let how = How::One(Reason::FlapStart);
        let told = Told { key: KEY, receiver: OPS, level: 0, how, pages };
        self.judge.events.push(Event::Told(told));
        self.judge.second(self.second, &mut self.model);
    }

    /// Lets some seconds be judged, and returns what is wrong of the first receiver.
    fn found(&mut self) -> Vec<&str> {
        for _ in 0..10 {
            self.second += 1;
            self.judge.second(self.second, &mut self.model);
        }
        self.second -= 10;
        let found = self.judge.violations.iter().map(String::as_str);
        found.filter(|violation| violation.contains(" ops")).collect()
    }
}

#[test]
fn what_pages_until_the_very_second_may_be_told_in_it_and_is_known_then() {
    let mut flapping = Flapping::new();
    flapping.looks(&[false]);
    flapping.told(true);
    flapping.looks(&[true, true, true, true]);
    assert!(flapping.model.thing(KEY).pages());
    assert_eq!(flapping.found(), [""; 0]);
}

#[test]
fn what_does_not_page_any_more_is_not_told_as_if_it_did() {
    let mut flapping = Flapping::new();
    flapping.looks(&[false, false]);
    flapping.told(true);
    let wrong = flapping.found();
    assert!(wrong.len() == 1 && wrong[0].ends_with("to flap and to be bad mostly"), "{wrong:?}");
}

#[test]
fn that_it_flaps_is_not_all_there_is_to_know_of_what_pages() {
    let mut flapping = Flapping::new();
    flapping.told(false);
    flapping.looks(&[true, true]);
    assert!(flapping.model.thing(KEY).pages());
    let wrong = flapping.found();
    let missed = "not that it flaps and is bad mostly";
    assert!(wrong.len() == 1 && wrong[0].ends_with(missed), "{wrong:?}");
}
