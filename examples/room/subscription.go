package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/server"
)

// A subscription is a connection in Pub/Sub mode. It is in memory here; a client library
// gets one with s.DialContext as its dialer.
type subscription struct {
	conn    net.Conn
	replies *resp.Reader
}

// subscribe returns when the server has confirmed all channels: no later message is missed.
func subscribe(s *server.Server, channels ...string) (*subscription, error) {
	conn, err := s.Dial()
	if err != nil {
		return nil, err
	}
	sub := &subscription{conn, resp.NewReader(conn)}
	_, err = fmt.Fprintf(conn, "SUBSCRIBE %s\r\n", strings.Join(channels, " "))
	for range channels {
		if err == nil {
			_, _, err = sub.next() // ["subscribe" CHANNEL COUNT]
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return sub, nil
}

// next waits for a message: ["message" CHANNEL PAYLOAD].
func (s *subscription) next() (channel, payload string, err error) {
	m, err := s.replies.Read()
	if err != nil {
		return "", "", err
	}
	words := m.Strings()
	if len(words) != 3 {
		return "", "", fmt.Errorf("not a message: %v", m)
	}
	return words[1], words[2], nil
}

func (s *subscription) close() { s.conn.Close() }
