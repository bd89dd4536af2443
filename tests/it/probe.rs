//! Tries the outside world itself.

use crate::outside::aws::Wiring;
use crate::outside::deliveries;
use crate::outside::moto::Moto;
use crate::outside::wait;

#[test]
fn moto_works() {
    let aws = Moto::shared();
    for wiring in [Wiring::Queue, Wiring::Topic, Wiring::RawTopic, Wiring::EventBridge] {
        let (bucket, queue) = aws.wired(wiring);
        bucket.put(&deliveries::key(1), &deliveries::delivery(1));
        wait::until("a message", || queue.depth().waiting > 0);
        println!("{wiring:?} {:?}", queue.depth());
    }
}
