//! A proxy between clients and the broker that can swallow, slow down and lose what passes. It reads no more of the
//! protocol than the frame's length, the request's kind and its correlation id.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// EndTxn in the Kafka protocol.
pub const END_TXN: i16 = 26;

/// What happens to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nothing.
    Open,
    /// Everything is held back, connections stay: as when a firewall drops packets.
    BlackHole,
    /// Each answer comes so much later.
    Slow(Duration),
    /// The answers to EndTxn are lost, once each has been sent, and their connections stay.
    LoseEndTxn,
    /// The answers to EndTxn come so much later.
    DelayEndTxn(Duration),
    /// The answer to EndTxn is lost and the connection is closed.
    CutEndTxn,
}

struct Shared {
    way: Mutex<Way>,
    changed: Condvar,
    struck: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
    answers: AtomicU64,
}

/// Listens for as long as the process runs.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy before that port of this machine.
    pub fn before(target: u16) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            way: Mutex::new(Way::Open),
            changed: Condvar::new(),
            struck: AtomicUsize::new(0),
            connections: Mutex::default(),
            answers: AtomicU64::new(0),
        });
        let of_all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A broker that is down: the client sees its connection closed.
                let Ok(broker) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let _ = serve(&of_all, client, broker);
            }
        });
        Ok(Proxy { port, shared })
    }

    /// From now on this happens. Returns how often the way before struck.
    pub fn set(&self, way: Way) -> usize {
        *self.shared.way.lock().expect("no panic under the lock") = way;
        self.shared.changed.notify_all();
        self.shared.struck.swap(0, Ordering::SeqCst)
    }

    /// How often the present way struck.
    pub fn struck(&self) -> usize {
        self.shared.struck.load(Ordering::SeqCst)
    }

    /// Answers that passed so far.
    pub fn answers(&self) -> u64 {
        self.shared.answers.load(Ordering::SeqCst)
    }

    /// Closes every connection.
    pub fn cut(&self) -> usize {
        let connections = std::mem::take(&mut *self.shared.connections.lock().expect("no panic under the lock"));
        connections.iter().filter(|stream| stream.shutdown(Shutdown::Both).is_ok()).count()
    }
}

/// The two directions of one connection, each on a thread.
fn serve(shared: &Arc<Shared>, client: TcpStream, broker: TcpStream) -> io::Result<()> {
    let ends = Arc::new(Mutex::new(HashSet::new()));
    let (from_client, to_client) = (client.try_clone()?, client.try_clone()?);
    let (from_broker, to_broker) = (broker.try_clone()?, broker.try_clone()?);
    shared.connections.lock().expect("no panic under the lock").extend([client, broker]);
    let (of_requests, noted) = (Arc::clone(shared), Arc::clone(&ends));
    std::thread::spawn(move || requests(&of_requests, &noted, from_client, to_broker));
    let of_answers = Arc::clone(shared);
    std::thread::spawn(move || answers(&of_answers, &ends, from_broker, to_client));
    Ok(())
}

pub(super) fn frame(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut frame = length.to_vec();
    frame.resize(4 + u32::from_be_bytes(length) as usize, 0);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}

fn both_down(a: &TcpStream, b: &TcpStream) {
    let _ = a.shutdown(Shutdown::Both);
    let _ = b.shutdown(Shutdown::Both);
}

fn requests(shared: &Shared, ends: &Mutex<HashSet<[u8; 4]>>, mut from: TcpStream, mut to: TcpStream) {
    while let Ok(frame) = frame(&mut from) {
        if i16::from_be_bytes([frame[4], frame[5]]) == END_TXN {
            ends.lock().expect("no panic under the lock").insert([frame[8], frame[9], frame[10], frame[11]]);
        }
        shared.hold_while_black();
        if to.write_all(&frame).is_err() {
            break;
        }
    }
    both_down(&from, &to);
}

fn answers(shared: &Shared, ends: &Mutex<HashSet<[u8; 4]>>, mut from: TcpStream, mut to: TcpStream) {
    while let Ok(frame) = frame(&mut from) {
        let end_txn = ends.lock().expect("no panic under the lock").remove(&frame[4..8]);
        let way = shared.hold_while_black();
        let strike = || shared.struck.fetch_add(1, Ordering::SeqCst);
        match way {
            Way::Slow(time) => {
                strike();
                std::thread::sleep(time);
            }
            Way::DelayEndTxn(time) if end_txn => {
                strike();
                std::thread::sleep(time);
            }
            Way::LoseEndTxn if end_txn => {
                strike();
                continue;
            }
            Way::CutEndTxn if end_txn => {
                strike();
                break;
            }
            _ => {}
        }
        shared.answers.fetch_add(1, Ordering::SeqCst);
        if to.write_all(&frame).is_err() {
            break;
        }
    }
    both_down(&from, &to);
}

impl Shared {
    /// The way that holds once nothing is held back any more.
    fn hold_while_black(&self) -> Way {
        let mut way = self.way.lock().expect("no panic under the lock");
        if *way == Way::BlackHole {
            self.struck.fetch_add(1, Ordering::SeqCst);
        }
        while *way == Way::BlackHole {
            way = self.changed.wait(way).expect("no panic under the lock");
        }
        *way
    }
}
