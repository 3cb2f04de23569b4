//! A wire between daemons and their server, which can be cut, silenced and led elsewhere.
//!
//! It speaks no TLS, and as much of PostgreSQL's protocol as it takes to tell one message from the
//! next.

use creditd_test_cluster::{Cluster, Database};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A wire to a server. Dropping it cuts all of it.
pub(crate) struct Wire {
    port: u16,
    state: Arc<State>,
}

/// Where to cut the connection on which a text is said for the n-th time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server does not hear of it.
    Before,
    /// It does it, and its answer is lost.
    After,
    /// It does not hear of it, and nobody is told: the wire keeps silent from then on.
    Silence,
}

/// A cut that is to be made.
struct Plan {
    cut: Cut,
    text: Vec<u8>,
    /// How many messages that hold the text are let through before.
    spare: usize,
}

struct State(Mutex<Now>);

struct Now {
    /// The server's port.
    to: u16,
    plan: Option<Plan>,
    /// Whatever is sent is swallowed.
    silent: bool,
    open: Vec<TcpStream>,
    closed: bool,
}

impl Wire {
    /// A wire to this server.
    pub(crate) fn to(server: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let now =
            Now { to: server.port(), plan: None, silent: false, open: Vec::new(), closed: false };
        let state = Arc::new(State(Mutex::new(now)));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.0.lock().unwrap().closed {
                    return;
                }
                let (client, shared) = (client.unwrap(), Arc::clone(&shared));
                // Whatever breaks here is what the wire is for.
                thread::spawn(move || shared.carry(client).ok());
            }
        });
        Self { port, state }
    }

    /// The URL of a database over this wire.
    pub(crate) fn url(&self, database: &Database<'_>) -> String {
        format!("postgres://owner@127.0.0.1:{}/{}?sslmode=disable", self.port, database.name)
    }

    /// Connections that are made from now on lead to another server.
    pub(crate) fn lead_to(&self, server: &Cluster) {
        self.state.0.lock().unwrap().to = server.port();
    }

    /// Cuts the connection on which a message holds `text`, once `spare` such messages have gone
    /// through.
    pub(crate) fn cut_at(&self, cut: Cut, text: &str, spare: usize) {
        let plan = Plan { cut, text: text.into(), spare };
        self.state.0.lock().unwrap().plan = Some(plan);
    }

    /// Whether the planned cut was made.
    pub(crate) fn is_cut(&self) -> bool {
        self.state.0.lock().unwrap().plan.is_none()
    }

    /// Cuts every connection that there is.
    pub(crate) fn cut_all(&self) {
        self.state.0.lock().unwrap().cut_all();
    }

    /// Swallows all that is sent, in both directions, without a word.
    pub(crate) fn silence(&self) {
        self.state.0.lock().unwrap().silent = true;
    }

    /// Carries again. What was swallowed is lost, and so are its connections.
    pub(crate) fn mend(&self) {
        let mut now = self.state.0.lock().unwrap();
        now.silent = false;
        now.cut_all();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut now = self.state.0.lock().unwrap();
        now.closed = true;
        now.cut_all();
        drop(now);
        // Wakes whoever accepts.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

impl Now {
    fn cut_all(&mut self) {
        for stream in self.open.drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

impl State {
    fn carry(self: Arc<Self>, client: TcpStream) -> io::Result<()> {
        let server = {
            let mut now = self.0.lock().unwrap();
            now.open.push(client.try_clone()?);
            let server = TcpStream::connect(("127.0.0.1", now.to));
            let Ok(server) = server else { return client.shutdown(Shutdown::Both) };
            now.open.push(server.try_clone()?);
            server
        };
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let answers = Arc::new(Mutex::new(Answers::Carried));
        let (from, to) = (server.try_clone()?, client.try_clone()?);
        let (state, theirs) = (Arc::clone(&self), Arc::clone(&answers));
        thread::spawn(move || state.carry_answers(from, to, &theirs).ok());
        let done = self.carry_questions(&client, &server, &answers);
        if !self.0.lock().unwrap().silent {
            client.shutdown(Shutdown::Both).ok();
            server.shutdown(Shutdown::Both).ok();
        }
        done
    }

    /// From the client to the server, message by message.
    fn carry_questions(
        &self, mut client: &TcpStream, mut server: &TcpStream, answers: &Mutex<Answers>,
    ) -> io::Result<()> {
        let mut begun = false;
        let mut ending = false;
        loop {
            let message = read_message(client, begun)?;
            begun = true;
            let planned = self.planned(&message);
            match planned {
                Some(Cut::Before) => return Ok(()),
                Some(Cut::Silence) => self.0.lock().unwrap().silent = true,
                Some(Cut::After) => {
                    *answers.lock().unwrap() = Answers::Swallowed;
                    ending = true;
                }
                None => {}
            }
            if !self.0.lock().unwrap().silent {
                server.write_all(&message)?;
            }
            // With this the client asks for the answers, and the server gives them all at once.
            if ending && matches!(message[0], b'S' | b'Q') {
                // The other direction ends the connection once the answer is there.
                client.read_to_end(&mut Vec::new())?;
                return Ok(());
            }
        }
    }

    /// From the server to the client.
    fn carry_answers(
        &self, mut server: TcpStream, mut client: TcpStream, answers: &Mutex<Answers>,
    ) -> io::Result<()> {
        let mut bytes = [0; 65_536];
        loop {
            let length = server.read(&mut bytes)?;
            let swallowed = *answers.lock().unwrap() == Answers::Swallowed;
            if length == 0 || swallowed {
                return client.shutdown(Shutdown::Both);
            }
            if !self.0.lock().unwrap().silent {
                client.write_all(&bytes[..length])?;
            }
        }
    }

    /// What is planned for a message.
    fn planned(&self, message: &[u8]) -> Option<Cut> {
        let mut now = self.0.lock().unwrap();
        let plan = now.plan.as_mut()?;
        if !message.windows(plan.text.len()).any(|part| part == plan.text) {
            return None;
        }
        if plan.spare > 0 {
            plan.spare -= 1;
            return None;
        }
        let cut = plan.cut;
        now.plan = None;
        Some(cut)
    }
}

/// What becomes of the answers on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    Carried,
    /// The next one is lost, and the connection with it.
    Swallowed,
}

/// A whole message; the first one of a connection has no letter before its length.
fn read_message(mut from: &TcpStream, has_letter: bool) -> io::Result<Vec<u8>> {
    let mut message = vec![0; if has_letter { 5 } else { 4 }];
    from.read_exact(&mut message)?;
    let length = message[message.len() - 4..].try_into().map(u32::from_be_bytes).unwrap();
    let head = message.len();
    message.resize(head - 4 + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut message[head..])?;
    Ok(message)
}
