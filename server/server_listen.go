package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// minAcceptPause and maxAcceptPause bound the pause after a failed Accept, for
// example when the process has no file descriptors left. Retrying at once would
// keep a core busy.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// maxAccepting is the maximum number of accepted connections that are not
// clients yet. Others wait in the listener's backlog. Without the limit a
// connect flood, or one long call, would fill the process with connections that
// maxclients does not count yet.
const maxAccepting = 64

// accept serves the connections of one listener until it is closed.
func (s *Server) accept(l net.Listener) {
	pause := minAcceptPause
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.engine.log.log(eventAcceptError, "error", err, "pause", pause)
			if !s.pause(pause) {
				return
			}
			pause = min(2*pause, maxAcceptPause)
		default:
			pause = minAcceptPause
			s.acceptConn(conn)
		}
	}
}

// acceptConn serves an accepted connection in a goroutine of its own. It waits
// for a slot first, so that at most maxAccepting connections are being set up.
// A TLS connection takes no slot: its handshake may be long, and has a limit of
// its own.
func (s *Server) acceptConn(conn net.Conn) {
	if !resumable(conn) {
		s.spawn(func() { s.serveConn(conn) })
		return
	}
	s.acceptSlots <- struct{}{}
	s.spawn(func() {
		defer func() { <-s.acceptSlots }()
		s.serveConn(conn)
	})
}

// pause sleeps for d; false: the server was closed meanwhile.
func (s *Server) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.engine.ended:
		return false
	}
}

// network returns "tcp4" for an IPv4 address, so that 0.0.0.0 does not listen
// on [::].
func network(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).To4() != nil {
		return "tcp4"
	}
	return "tcp"
}

// listenUnix listens on a unix socket at path. It replaces a stale socket,
// which a killed process left behind. For mode 0 the process's umask decides
// who may connect.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if isStaleSocket(path) {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("stale unix socket: %w", err)
		}
	}
	if mode == 0 {
		return net.Listen("unix", path)
	}
	return listenUnixAs(path, mode)
}

func isStaleSocket(path string) bool {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
	}
	// any other error, such as that of a full backlog, does not prove it stale
	return errors.Is(err, syscall.ECONNREFUSED)
}
