package server_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// Who reads a large value gets it as it was at one moment, however slowly it reads and
// whatever others write over it meanwhile: all writes are of one letter throughout.
func TestALargeReplyIsOfOneMoment(t *testing.T) {
	s, err := server.Start(server.Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	var all sync.WaitGroup
	for i := range uint64(6) {
		conn, err := s.Dial()
		if i%2 == 0 {
			conn, err = net.Dial("tcp", s.Addr())
		}
		require.NoError(t, err)
		defer conn.Close()
		all.Go(func() { readAndWrite(t, conn, rand.New(rand.NewPCG(i, 1))) })
	}
	all.Wait()
}

func readAndWrite(t *testing.T, conn net.Conn, r *rand.Rand) {
	const size = 256<<10 + 16<<10
	conn.SetDeadline(time.Now().Add(patience))
	replies := resp.NewReader(&slowly{conn, r})
	for range 40 {
		var calls []byte
		n := 1 + r.IntN(4)
		for range n {
			key, text := fmt.Sprint("k", r.IntN(2)), bytes.Repeat([]byte{byte('a' + r.IntN(26))}, size)
			switch r.IntN(6) {
			case 0:
				calls = fmt.Appendf(calls, "*3\r\n$3\r\nSET\r\n$2\r\n%s\r\n$%d\r\n%s\r\n", key, size, text)
			case 1:
				calls = fmt.Appendf(calls, "*4\r\n$8\r\nSETRANGE\r\n$2\r\n%s\r\n$1\r\n0\r\n$%d\r\n%s\r\n", key, size, text)
			case 2:
				calls = fmt.Appendf(calls, "COPY k0 k1 REPLACE\r\n")
			case 3:
				calls = fmt.Appendf(calls, "GETRANGE %s 100 -10\r\n", key)
			case 4:
				calls = fmt.Appendf(calls, "GETDEL %s\r\n", key)
			default:
				calls = fmt.Appendf(calls, "MGET k0 %s k1\r\n", key)
			}
		}
		if _, err := conn.Write(calls); err != nil {
			t.Error(err)
			return
		}
		for range n {
			v, err := replies.Read()
			if err != nil {
				t.Error(err)
				return
			}
			for _, text := range append(v.Elems, v) {
				if s := text.Str; len(s) > 0 && len(s) >= size-200 && bytes.Count([]byte(s), []byte{s[0]}) != len(s) {
					t.Errorf("a reply of %d bytes is a mixture", len(s))
					return
				}
			}
		}
	}
}

// slowly reads a little at a time, now and then.
type slowly struct {
	io.Reader
	r *rand.Rand
}

func (s *slowly) Read(p []byte) (int, error) {
	return s.Reader.Read(p[:1+s.r.IntN(len(p))])
}
