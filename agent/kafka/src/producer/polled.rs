//! A producer whose delivery reports are taken by a task of the runtime, as soon as there are any.
//!
//! The `rdkafka` crate's `ThreadedProducer` and `FutureProducer` have a thread each, which spins through the
//! last millisecond of every 100 that it waits: one percent of a core for each producer, whether it is used
//! or not.
//!
//! Closing a producer throws away what it still holds and waits for its threads, up to half a second. That
//! never happens on a thread of the runtime, whoever drops the last clone.
//!
//! Safety: the queue is the producer's own and is given back before it. The pointer that the callback gets is
//! that of `arrived`, which lives until the callback was taken off, under the queue's lock.
#![expect(
    unsafe_code,
    reason = "librdkafka's wake-up for queues of producers has no safe binding; see the module's \
              documentation"
)]

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{
    BaseProducer, NoCustomPartitioner, Partitioner, Producer as _, ProducerContext,
};
use rdkafka_sys::bindings as rd;
use tokio::sync::Notify;

/// See the module. Clones are the same producer, which is closed with the last of them.
pub struct PolledProducer<C: ProducerContext<P> + 'static, P = NoCustomPartitioner>(
    Arc<Polled<C, P>>,
)
where
    P: Partitioner + Send + Sync + 'static;

struct Polled<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> {
    /// Taken when this is dropped.
    producer: ManuallyDrop<BaseProducer<C, P>>,
    queue: NonNull<rd::rd_kafka_queue_t>,
    arrived: Arc<Notify>,
}

// SAFETY: librdkafka's queues are safe to use from any thread, and the producer is Send and Sync.
unsafe impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> Send
    for Polled<C, P>
{
}
// SAFETY: as above.
unsafe impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> Sync
    for Polled<C, P>
{
}

unsafe extern "C" fn on_arrival(_: *mut rd::rd_kafka_t, arrived: *mut c_void) {
    // SAFETY: it is the pointer of `arrived`, see the module.
    unsafe { &*arrived.cast::<Notify>() }.notify_one();
}

impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> PolledProducer<C, P> {
    /// A producer of these settings, polled by the runtime that this is called in.
    ///
    /// # Errors
    /// A setting is not valid.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        let producer = BaseProducer::from_config_and_context(config, context)?;
        let arrived = Arc::new(Notify::new());
        // SAFETY: the producer lives; the answer is a reference of our own to its queue.
        let queue = unsafe { rd::rd_kafka_queue_get_main(producer.client().native_ptr()) };
        let Some(queue) = NonNull::new(queue) else {
            let reason = "the producer has no queue of events".to_owned();
            return Err(KafkaError::ClientCreation(reason));
        };
        // SAFETY: the queue lives; for the pointer see the module.
        unsafe {
            rd::rd_kafka_queue_cb_event_enable(
                queue.as_ptr(),
                Some(on_arrival),
                Arc::as_ptr(&arrived).cast_mut().cast(),
            );
        }
        // What came before the callback was there.
        arrived.notify_one();
        let polled = Arc::new(Polled {
            producer: ManuallyDrop::new(producer),
            queue,
            arrived: Arc::clone(&arrived),
        });
        tokio::spawn(poll(Arc::downgrade(&polled), arrived));
        Ok(Self(polled))
    }
}

/// Polls until the producer is gone.
async fn poll<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static>(
    producer: Weak<Polled<C, P>>,
    arrived: Arc<Notify>,
) {
    loop {
        arrived.notified().await;
        let Some(polled) = producer.upgrade() else {
            return;
        };
        while polled.has_events() {
            polled.producer.poll(Duration::ZERO);
            tokio::task::consume_budget().await;
        }
        if Arc::into_inner(polled).is_some() {
            return;
        }
    }
}

impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> Polled<C, P> {
    fn has_events(&self) -> bool {
        // SAFETY: the queue lives.
        unsafe { rd::rd_kafka_queue_length(self.queue.as_ptr()) > 0 }
    }
}

impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> Drop
    for Polled<C, P>
{
    fn drop(&mut self) {
        // SAFETY: the queue is given back once, without the callback, and the producer is taken once, after
        // that.
        let producer = unsafe {
            rd::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            rd::rd_kafka_queue_destroy(self.queue.as_ptr());
            ManuallyDrop::take(&mut self.producer)
        };
        self.arrived.notify_one();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(producer));
        }
    }
}

impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> Clone
    for PolledProducer<C, P>
{
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> Deref
    for PolledProducer<C, P>
{
    type Target = BaseProducer<C, P>;

    fn deref(&self) -> &Self::Target {
        &self.0.producer
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientContext;
    use rdkafka::message::DeliveryResult;
    use rdkafka::producer::BaseRecord;
    use tokio::sync::mpsc;

    use super::*;

    struct Reports(mpsc::UnboundedSender<bool>);

    impl ClientContext for Reports {}

    impl ProducerContext for Reports {
        type DeliveryOpaque = ();

        fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
            self.0.send(result.is_ok()).unwrap();
        }
    }

    fn producer() -> (PolledProducer<Reports>, mpsc::UnboundedReceiver<bool>) {
        let (sender, reports) = mpsc::unbounded_channel();
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", "127.0.0.1:1")
            .set("message.timeout.ms", "100");
        let producer = PolledProducer::new(&config, Reports(sender)).unwrap();
        (producer, reports)
    }

    #[tokio::test]
    async fn every_report_arrives_although_nobody_polls() {
        let (producer, mut reports) = producer();
        for _ in 0..2 {
            for _ in 0..10 {
                let record = BaseRecord::<[u8], [u8]>::to("t").payload(b"v");
                producer.send(record).map_err(|(error, _)| error).unwrap();
            }
            for _ in 0..10 {
                assert_eq!(reports.recv().await, Some(false));
            }
        }
    }

    #[tokio::test]
    async fn the_last_clone_closes_the_producer() {
        let (producer, mut reports) = producer();
        let clone = producer.clone();
        drop(producer);
        assert!(
            reports
                .try_recv()
                .is_err_and(|error| error == mpsc::error::TryRecvError::Empty)
        );
        drop(clone);
        assert_eq!(reports.recv().await, None);
    }
}
