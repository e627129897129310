package server_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/tlstest"
	"github.com/parley-chat/parley/server"
)

// A value that a reply refers to is written to the client in parts. No part of it
// becomes a buffer for other replies, whatever is left of it at the end.
func TestRepliesDoNotWriteOverAValueThatWasSent(t *testing.T) {
	a := tlstest.New(t)
	s := startTLS(t, server.Options{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{a.Certificate("server")}}})
	overTLS, err := tls.Dial("tcp", s.TLSAddr(), a.Client())
	require.NoError(t, err)
	overTCP, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	for name, conn := range map[string]net.Conn{"tls": overTLS, "tcp": overTCP} {
		t.Run(name, func(t *testing.T) {
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
			exchange := func(call, reply string) {
				_, err := io.WriteString(conn, call)
				require.NoError(t, err)
				got := make([]byte, len(reply))
				_, err = io.ReadFull(conn, got)
				require.NoError(t, err)
				require.True(t, reply == string(got), "another reply than expected to %.20q", call)
			}
			for _, size := range []int{128 << 10, 128<<10 + 1, 256<<10 + 16<<10, 512<<10 + 16<<10, 1 << 20} {
				value := string(bytes.Repeat([]byte{'v'}, size))
				bulk := fmt.Sprintf("$%d\r\n%s\r\n", size, value)
				exchange("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n"+bulk, "+OK\r\n")
				for range 4 {
					exchange("GET k\r\n", bulk)
					for range 4 {
						exchange("ECHO xxxx\r\n", "$4\r\nxxxx\r\n")
					}
				}
			}
		})
	}
}
