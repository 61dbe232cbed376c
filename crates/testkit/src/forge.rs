//! A GitHub of our own on loopback: comments, pull requests, branches, runs, and everything that goes wrong.
//!
//! It answers as GitHub's REST API does, as far as Interlock asks. Lists may lag behind, requests may be
//! refused, limited, delayed or take effect after their answer was lost, as the seed and the rules say.

mod faults;
mod routes;
mod shapes;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use faults::{Effect, Faults, Rule};
pub use state::{Comment, Pull, Run, RunJob, Seen, State, Status};

/// A running forge. It stops when it is dropped.
#[derive(Debug)]
pub struct Forge {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What the server and the test both see.
#[derive(Debug)]
pub(crate) struct Shared {
    // Never held across an `.await`.
    pub(crate) state: Mutex<State>,
    pub(crate) faults: Mutex<Faults>,
}

impl Forge {
    /// Starts a forge on a free loopback port.
    ///
    /// # Panics
    ///
    /// If loopback cannot be listened on.
    pub async fn start(state: State, faults: Faults) -> Self {
        let shared = Arc::new(Shared { state: Mutex::new(state), faults: Mutex::new(faults) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free loopback port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let router = routes::router(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // It ends with the test, by abort.
            drop(axum::serve(listener, router).await);
        });
        Self { address, shared, server }
    }

    /// Returns the base URL of the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the state, or changes it as a person on the site would.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the rules of what goes wrong.
    pub fn set_faults(&self, faults: Faults) {
        *self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Waits until requests that land late have landed.
    pub async fn settle(&self) {
        while self.with(|state| state.in_flight > 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.server.abort();
    }
}
