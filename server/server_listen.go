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

// Bounds of the pause after accepting has failed, as when the process has no
// file descriptors left: trying again at once would keep a core busy.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// maxAccepting bounds the connections that are accepted and are not clients yet.
// All others wait in the listener's backlog. Without the bound a connect flood, or
// one long call, would fill the process with connections that maxclients does not
// count yet.
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

// acceptConn serves an accepted connection in a goroutine of its own. It waits for
// a slot first, so that at most maxAccepting connections are on their way. A TLS
// connection takes no slot: its handshake may be long, and has a limit of its own.
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

// pause waits; false: the server was closed meanwhile.
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

// network keeps to IPv4 where the address is one: 0.0.0.0 is not [::].
func network(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).To4() != nil {
		return "tcp4"
	}
	return "tcp"
}

// listenUnix listens on a path. A socket that nobody listens on any more, left
// by a process that was killed, is replaced. Without a mode the process's umask
// says who may connect.
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
	// Any other error, as of a listener with a full backlog, is no proof.
	return errors.Is(err, syscall.ECONNREFUSED)
}
