package server

import (
	"net"
	"net/netip"
)

// A peerAddr describes the peer of a connection.
type peerAddr struct {
	addr, local string     // as CLIENT LIST shows them
	ip          netip.Addr // of the peer; the zero Addr: it has none
	inProcess   bool       // the peer is code of this process
	loopback    bool       // the peer has a loopback address, or uses a unix socket
}

// peerAddrOf returns the peer of a connection. Both ends of a unix socket are named by its
// path, as in Redis. A connection from a listener of the program (see Serve) is loopback only
// if its remote address is a loopback IP address.
func peerAddrOf(conn net.Conn) peerAddr {
	if unix, ok := conn.LocalAddr().(*net.UnixAddr); ok {
		return peerAddr{addr: unix.Name + ":0", local: unix.Name + ":0", loopback: true}
	}
	o := peerAddr{addr: conn.RemoteAddr().String(), local: conn.LocalAddr().String()}
	if at, err := netip.ParseAddrPort(o.addr); err == nil {
		o.ip = at.Addr().Unmap()
		o.loopback = o.ip.IsLoopback()
	}
	return o
}

// isRemote reports whether an address may be of another machine.
func isRemote(ip netip.Addr) bool { return ip.IsValid() && !ip.IsLoopback() }
