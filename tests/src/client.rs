//! A small blocking FTP client that says exactly what it is told to.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, SockRef, Socket, Type};

use crate::control::{Control, Wire};
use crate::wait::PATIENCE;

/// User name and password that [`TestServer`](crate::server::TestServer)s know.
pub const USER: (&str, &str) = ("user", "12345");

/// The control connection of a client in the clear.
pub type Client = Control<TcpStream>;

#[expect(
    clippy::missing_panics_doc,
    reason = "the type says it for all methods"
)]
impl Client {
    /// Connects, and waits for nothing.
    #[track_caller]
    pub fn open(server: SocketAddr) -> Self {
        Self::over(TcpStream::connect(server).unwrap())
    }

    /// Connects from another address of this machine.
    #[track_caller]
    pub fn open_from(local: IpAddr, server: SocketAddr) -> Self {
        Self::over(connect_from(local, server).unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::new(stream)
    }

    /// Connects and takes the greeting.
    #[track_caller]
    pub fn connect(server: SocketAddr) -> Self {
        let mut client = Self::open(server);
        client.expect_reply(220);
        client
    }

    /// Connects and logs in as [`USER`].
    #[track_caller]
    pub fn login(server: SocketAddr) -> Self {
        Self::login_as(USER.0, USER.1, server)
    }

    /// Connects and logs in.
    #[track_caller]
    pub fn login_as(user: &str, password: &str, server: SocketAddr) -> Self {
        let mut client = Self::connect(server);
        client.expect(&format!("USER {user}"), 331);
        client.expect(&format!("PASS {password}"), 230);
        client
    }

    /// Sends bytes, the last of them as urgent data.
    #[track_caller]
    pub fn send_urgent(&mut self, bytes: &[u8]) {
        let sent = SockRef::from(&self.stream).send_out_of_band(bytes);
        assert_eq!(sent.unwrap(), bytes.len());
    }

    /// Waits for the server to end the connection without another reply.
    #[track_caller]
    pub fn expect_end(&mut self) {
        if let Some(reply) = self.next_reply() {
            panic!("end of the connection expected, not {}", reply.text());
        }
    }

    /// Says that nothing more will be sent.
    #[track_caller]
    pub fn end_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes the connection with a reset.
    #[track_caller]
    pub fn reset(self) {
        reset(self.stream);
    }

    /// Makes what the system receives for this client, and does not show, small.
    #[track_caller]
    pub fn shrink_receive_buffer(&self) {
        SockRef::from(&self.stream)
            .set_recv_buffer_size(32 << 10)
            .unwrap();
    }

    /// The socket, for somebody who goes on in another language.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// The socket once more, for another thread.
    #[track_caller]
    pub fn second_hand(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// This end's address.
    #[track_caller]
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// PASV: the address to connect to.
    #[track_caller]
    pub fn pasv(&mut self) -> SocketAddr {
        let told = self.expect("PASV", 227).argument();
        let open = told.find('(').unwrap();
        let numbers: Vec<u8> = told[open + 1..told.find(')').unwrap()]
            .split(',')
            .map(|number| number.parse().unwrap())
            .collect();
        let [a, b, c, d, high, low] = numbers[..] else {
            panic!("no address in {told}");
        };
        SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
    }

    /// PORT or EPRT: where the server will connect to.
    #[track_caller]
    pub fn port(&mut self) -> TcpListener {
        let mut address = self.local_addr();
        address.set_port(0);
        let listener = TcpListener::bind(address).unwrap();
        self.send_port(listener.local_addr().unwrap());
        self.expect_reply(200);
        listener
    }

    /// Sends PORT or EPRT for an address, and waits for nothing.
    #[track_caller]
    pub fn send_port(&mut self, address: SocketAddr) {
        match address {
            SocketAddr::V4(address) => {
                let [a, b, c, d] = address.ip().octets();
                let [high, low] = address.port().to_be_bytes();
                self.send(&format!("PORT {a},{b},{c},{d},{high},{low}"));
            }
            SocketAddr::V6(address) => {
                self.send(&format!("EPRT |2|{}|{}|", address.ip(), address.port()));
            }
        }
    }

    /// Begins a transfer over a passive data connection.
    #[track_caller]
    pub fn begin(&mut self, command: &str) -> TcpStream {
        let stream = self.passive();
        self.expect(command, 150);
        stream
    }

    /// Runs a command that sends, such as RETR or LIST, and gives what came.
    #[track_caller]
    pub fn fetch(&mut self, command: &str) -> Vec<u8> {
        let stream = self.begin(command);
        let content = read_all(stream);
        self.expect_reply(226);
        content
    }

    /// Runs a command that receives, such as STOR.
    #[track_caller]
    pub fn put(&mut self, command: &str, content: &[u8]) {
        let mut stream = self.begin(command);
        stream.write_all(content).unwrap();
        drop(stream);
        self.expect_reply(226);
    }
}

impl Wire for TcpStream {
    fn server(&self) -> SocketAddr {
        self.peer_addr().unwrap()
    }

    /// A reset is one.
    fn is_end(error: &io::Error) -> bool {
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
        )
    }
}

/// Connects to a passive port.
///
/// # Panics
///
/// Nobody listens there.
#[track_caller]
pub fn connect(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(address).unwrap())
}

/// Connects from another address of this machine.
///
/// # Errors
///
/// Nobody listens there, or the address is none of ours.
pub fn connect_from(local: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(local, 0).into())?;
    socket.connect(&address.into())?;
    Ok(patient(socket.into()))
}

/// Waits for the server to connect to an active port.
///
/// # Panics
///
/// It does not.
#[track_caller]
pub fn accept(listener: &TcpListener) -> TcpStream {
    // There is no timeout of accepting, but one of the socket option that accepting obeys.
    let socket = SockRef::from(listener);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    patient(listener.accept().unwrap().0)
}

/// Reads up to the end of the stream.
///
/// # Panics
///
/// It ends with an error.
#[track_caller]
pub fn read_all(mut stream: TcpStream) -> Vec<u8> {
    let mut content = Vec::new();
    stream.read_to_end(&mut content).unwrap();
    content
}

/// Reads up to the end of the stream, a reset counting as one.
///
/// # Panics
///
/// It does not end.
#[track_caller]
pub fn read_to_any_end(mut stream: TcpStream) -> Vec<u8> {
    let (mut content, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return content,
            Ok(bytes) => content.extend_from_slice(&buffer[..bytes]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if TcpStream::is_end(&error) => return content,
            Err(error) => panic!("no end of the data connection: {error}"),
        }
    }
}

/// Closes a connection with a reset.
///
/// # Panics
///
/// The socket does not take the option.
#[track_caller]
pub fn reset(stream: TcpStream) {
    let socket = SockRef::from(&stream);
    socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
}

/// Another address of this machine.
pub const NEIGHBOUR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn patient(stream: TcpStream) -> TcpStream {
    let timeout = Some(PATIENCE);
    let set = stream.set_read_timeout(timeout);
    set.and_then(|()| stream.set_write_timeout(timeout))
        .unwrap();
    stream
}
