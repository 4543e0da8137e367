//! What a link does to a connection.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::link::{Cut, Link, carry};
use crate::wait::wait_until;

/// Two ends of a connection that is carried over two links.
async fn connected(there: &Arc<Link>, back: &Arc<Link>) -> (TcpStream, TcpStream) {
    let pair = || async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let near = TcpStream::connect(address).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    };
    let (visitor, inner_visitor) = pair().await;
    let (inner_host, host) = pair().await;
    let links = (Arc::clone(there), Arc::clone(back));
    tokio::spawn(carry(inner_visitor, inner_host, links));
    (visitor, host)
}

async fn arrives(from: &mut TcpStream, to: &mut TcpStream, text: &str) {
    from.write_all(text.as_bytes()).await.unwrap();
    let mut heard = vec![0; text.len()];
    to.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, text.as_bytes());
}

#[tokio::test]
async fn a_silent_cut_holds_one_direction_and_its_end_lets_everything_arrive() {
    let (there, back) = (Arc::new(Link::default()), Arc::new(Link::default()));
    let (mut visitor, mut host) = connected(&there, &back).await;
    arrives(&mut visitor, &mut host, "hello").await;
    there.set_cut(Some(Cut::Silent));
    visitor.write_all(b"lost").await.unwrap();
    wait_until("the cut to hold something", || async {
        (there.figures().n_held == 1).then_some(())
    })
    .await
    .unwrap();
    arrives(&mut host, &mut visitor, "the other way").await;
    assert_eq!(there.figures().n_carried, 5);
    there.set_cut(None);
    let mut heard = [0; 4];
    host.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"lost");
}

#[tokio::test]
async fn a_reset_breaks_what_is_open_and_what_comes() {
    let (there, back) = (Arc::new(Link::default()), Arc::new(Link::default()));
    let (mut visitor, mut host) = connected(&there, &back).await;
    arrives(&mut visitor, &mut host, "hello").await;
    back.set_cut(Some(Cut::Reset));
    let mut rest = Vec::new();
    drop(visitor.read_to_end(&mut rest).await);
    assert!(rest.is_empty(), "{rest:?}");
    assert!(back.refuses() && !there.refuses());
    assert_eq!(back.figures().n_broken, 2);
    back.set_cut(None);
    assert!(!back.refuses());
}
