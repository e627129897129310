package server

import (
	"net"
	"net/netip"
)

// A peerAddr is where a connection comes from.
type peerAddr struct {
	addr, local string     // as CLIENT LIST shows them
	ip          netip.Addr // of the other side; the zero Addr: it has none
	inProcess   bool       // it is code of this process
	loopback    bool       // it is on this machine: the address is a loopback address, or it came by a unix socket
}

// peerAddrOf names both ends of a unix socket by its path. A connection of the
// caller's own making (see Serve) is taken at its word. If its remote address is no
// IP address (a pipe, a tunnel), nobody knows where it comes from: it is not loopback.
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

// remote reports whether an address is of another machine, or might be.
func isRemote(ip netip.Addr) bool { return ip.IsValid() && !ip.IsLoopback() }
