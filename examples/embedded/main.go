// Command embedded runs a parley server inside of a Go program: the program itself
// calls Do, other programs connect to a TCP port, and both see the same data.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/server"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run starts a server, uses it in both ways, and closes it.
func run(ctx context.Context, out io.Writer) (err error) {
	s, err := server.Start(server.Options{}) // a free port on 127.0.0.1; Options.Addr chooses one
	if err != nil {
		return err
	}
	// Close waits for running calls and ends connections. The data is gone afterwards.
	defer func() {
		if closeErr := s.Close(); err == nil {
			err = closeErr
		}
	}()

	// This program needs no connection. A reply is a resp.Value; an error reply is an error.
	if _, err := s.Do(ctx, "HSET", "user:1", "username", "ann"); err != nil {
		return err
	}

	// Other programs use redis-cli, or any Redis client with the address s.URL().
	username, err := askOverTCP(ctx, s.Addr(), "HGET user:1 username")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "over TCP:", username)

	if _, err := s.Do(ctx, "INCR", "user:1"); err != nil {
		fmt.Fprintln(out, "from Do:", err)
	}
	return nil
}

// askOverTCP sends one call in the inline form of the protocol, as a person with telnet
// would. A real program uses a client library instead.
func askOverTCP(ctx context.Context, addr, call string) (resp.Value, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return resp.Value{}, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, call+"\r\n"); err != nil {
		return resp.Value{}, err
	}
	return resp.NewReader(conn).Read()
}
