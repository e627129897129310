package server

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
)

// FuzzSession holds what must be true of any bytes from a client: nothing
// panics or hangs, all output is whole RESP, and however the bytes are cut on
// their way, the output is the same.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"PING\r\n", "*1\r\n$4\r\nPING\r\n",
		"SET k v\r\nGET k\r\nHSET h a 1\r\nHELLO 3\r\nHGETALL h\r\nQUIT\r\nGET k\r\n",
		"MULTI\r\nINCR n\r\nEXEC\r\nWATCH n\r\nMULTI\r\nRESET\r\nSUBSCRIBE a b\r\nPSUBSCRIBE *\r\nGET k\r\nUNSUBSCRIBE\r\nPUNSUBSCRIBE\r\n",
		"HELLO 3 AUTH default x SETNAME me\r\nSUBSCRIBE a\r\nPUBLISH a hi\r\nCLIENT KILL ID 1\r\nPING\r\n",
		"BZPOPMIN z 0\r\nPING\r\n", "ZADD z 1 a nan b\r\nZADD z inf a -inf b\r\nZUNIONSTORE z 2 z z\r\nZRANGE z 0 -1 WITHSCORES\r\n",
		"SRANDMEMBER s -9223372036854775808\r\nSADD s a\r\nSRANDMEMBER s -9223372036854775807\r\n",
		"SETRANGE k 536870911 x\r\nGETRANGE k -9223372036854775808 9223372036854775807\r\nAPPEND k \"\\xff\\x00\"\r\n",
		"COMMAND DOCS get\r\nCOMMAND GETKEYS EVAL x 9223372036854775807 a\r\nCOMMAND GETKEYS ZUNIONSTORE d -1 a\r\n",
		"CONFIG SET client-output-buffer-limit \"normal 1 1 1\"\r\nCOMMAND\r\n", "CONFIG SET requirepass x\r\nRESET\r\nPING\r\nAUTH x\r\nPING\r\n",
		"SCAN 18446744073709551615 COUNT 9223372036854775807\r\nKEYS [a-\r\nLCS a b IDX\r\nSHUTDOWN\r\nDEBUG SEGFAULT\r\n",

		// What kills, hangs or bloats servers built on an unguarded parser.
		"*1\r\n$9223372036854775807\r\n", "*1\r\n$-2\r\n", "*2147483647\r\n", "*9223372036854775807\r\n", "*0\r\n*-1\r\n\r\nPING\r\n",
		"*1\r\n$-9223372036854775808\r\n", "*1000000000\r\n$1\r\na\r\n", "*1\r\n$300000000\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET evil 1\r\n", "PING\r\nHost: x\r\n", "\"\\x\r\nPING\r\n", "$4 PING\r\n",
		"SET a 1\r\n*1\r\nx", "a b c d e f g h i j k l m n\r\n", "*2\r\n$4\r\nECHO\r\n$3\r\nabcdef\r\n",
	} {
		f.Add([]byte(seed), uint8(3))
		f.Add([]byte(seed), uint8(0))
	}
	f.Fuzz(func(t *testing.T, input []byte, cut uint8) {
		whole, killed := converse(t, input, len(input))
		parts, cutOff := converse(t, input, int(cut)+1)
		// A client that is killed loses what it has not read yet; memory is not the same twice.
		if !killed && !cutOff && !bytes.Contains(whole, []byte("used_memory")) && !bytes.Contains(whole, []byte("qbuf")) {
			require.Equal(t, string(whole), string(parts))
		}
		replies := resp.NewReader(bytes.NewReader(whole))
		for {
			_, err := replies.Read()
			if err == io.EOF {
				break
			}
			require.NoError(t, err, "%q", whole)
		}
	})
}

// converse feeds a session of a new server in pieces of n bytes and returns all
// that it says, and whether it was cut off.
func converse(t *testing.T, input []byte, n int) (output []byte, killed bool) {
	srv, err := New(Options{Seed: 1, Clock: NewManualClock(time.UnixMilli(1615480369000))})
	require.NoError(t, err)
	harness.CloseAtEnd(t, srv)
	// So that what asks for much is over quickly.
	srv.engine.state.Config.ProtoMaxBulk = 1 << 20
	srv.engine.state.Config.OutputLimits[commands.OutputNormal].Hard = 4 << 20
	s, err := newDetached(srv, peerAddr{})
	require.NoError(t, err)
	defer s.leave()

	for open := true; open && len(input) > 0; {
		n := min(n, len(input))
		open = s.Feed(input[:n])
		input = input[n:]
		output = append(output, take(&s.out)...)
		for s.isBackpressured() {
			open = s.Proceed()
			output = append(output, take(&s.out)...)
		}
	}
	for _, db := range srv.engine.state.Databases {
		require.NoError(t, db.Check())
	}
	return output, s.out.killed
}

// take empties an outbox.
func take(o *outbox) (all []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.pieces {
		all = append(all, p.bytes...)
	}
	o.pieces, o.size = nil, 0
	return all
}
