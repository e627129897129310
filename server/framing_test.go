package server

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
)

// drain takes everything out of f that is there: copies of the commands and the error, if any. The buffer is
// released when release says so, as a session may do at any time.
func drain(t testing.TB, f *framing, release bool) (commands [][]string, err error) {
	var batch [][][]byte
	var words [][]byte
	for {
		args, ok, failed := f.next(words)
		if err = failed; !ok {
			require.Empty(t, args)
			break
		}
		require.NotEmpty(t, args)
		words = append(words, args...)
		batch = append(batch, args)
	}
	for _, args := range batch { // not before: each must outlive the calls after it
		var c []string
		for _, a := range args {
			require.Equal(t, len(a), cap(a))
			c = append(c, string(a))
		}
		commands = append(commands, c)
	}
	if release {
		f.release()
	}
	return commands, err
}

// feed cuts the stream into pieces of the given lengths, over and over, and returns what comes out of f.
func feed(t testing.TB, f *framing, stream []byte, cuts ...int) (commands [][]string, err error) {
	for i := 0; len(stream) > 0 && err == nil; i++ {
		n := min(max(1, cuts[i%len(cuts)]), len(stream))
		piece := bytes.Clone(stream[:n])
		stream = stream[n:]
		if err = f.write(piece); err != nil {
			return commands, err
		}
		clear(piece) // the framing holds a copy
		var more [][]string
		more, err = drain(t, f, i%2 == 0)
		commands = append(commands, more...)
	}
	return commands, err
}

func newFraming() *framing { return &framing{limits: defaultLimits()} }

func command(words ...string) string { return string(harness.Encode(words...)) }

func TestErrorComesAfterTheCommandsBeforeIt(t *testing.T) {
	f := newFraming()
	got, err := feed(t, f, []byte(command("SET", "a", "1")+"*x\r\n"+command("PING")), 1<<20)
	require.Equal(t, [][]string{{"SET", "a", "1"}}, got)
	require.Equal(t, errCountInvalid, err)

	require.Equal(t, err, f.write([]byte("PING\r\n")), "and nothing comes after it")
	_, ok, again := f.next(nil)
	require.False(t, ok)
	require.Equal(t, err, again)
	used, free := f.buffered()
	require.Zero(t, used+free)
}

func TestLimitsChangeBetweenCommands(t *testing.T) {
	f := newFraming()
	f.limits.unauthenticated = true
	require.NoError(t, f.write([]byte(command("AUTH", "secret")+"*11\r\n"+strings.Repeat("$1\r\na\r\n", 11))))
	args, ok, err := f.next(nil)
	require.True(t, ok)
	require.NoError(t, err)
	require.Len(t, args, 2)
	f.limits.unauthenticated = false
	args, ok, err = f.next(nil)
	require.True(t, ok)
	require.NoError(t, err)
	require.Len(t, args, 11)
}

func TestQueryBufferLimit(t *testing.T) {
	f := newFraming()
	f.limits.query = 100
	for range 10 { // what has been returned does not count
		require.NoError(t, f.write([]byte(strings.Repeat("PING\r\n", 16))))
		got, err := drain(t, f, false)
		require.NoError(t, err)
		require.Len(t, got, 16)
	}
	require.NoError(t, f.write([]byte("*1\r\n$200\r\n")))
	require.NoError(t, f.write(make([]byte, 90)))
	require.Equal(t, errQueryBuffer, f.write(make([]byte, 1)))
	_, _, err := f.next(nil)
	require.Equal(t, errQueryBuffer, err)
}

func TestNextFillsTheArrayItIsGiven(t *testing.T) {
	f := newFraming()
	require.NoError(t, f.write([]byte("a b\r\n"+command("c", "d", "e")+command("f"))))
	words := make([][]byte, 0, 5)
	for range 2 {
		args, ok, err := f.next(words)
		require.True(t, ok)
		require.NoError(t, err)
		require.Same(t, &words[:5][len(words)], &args[0])
		words = append(words, args...)
	}
	args, ok, _ := f.next(words)
	require.True(t, ok)
	require.Equal(t, "f", string(args[0]))
	require.Equal(t, "a b c d e", string(bytes.Join(words, []byte(" "))))
}

// Each of these made redcon or a naive scanner quadratic. The bound is a few looks at each byte.
func TestWorkIsLinear(t *testing.T) {
	many := "*100000\r\n" + strings.Repeat("$1\r\na\r\n", 100000)
	for name, c := range map[string]struct {
		stream string
		cut    int
	}{
		"word in single bytes":            {command("SET", "k", strings.Repeat("v", 200000)), 1},
		"many words in single bytes":      {many, 1},
		"many words in pieces":            {many, 200},
		"inline command in single bytes":  {strings.Repeat("a ", 30000) + "\r\n", 1},
		"inline command without an end":   {strings.Repeat("a", 65536), 1},
		"NUL in an inline command":        {"a\x00" + strings.Repeat("\n", 65534), 1},
		"half a command at the end":       {strings.Repeat(command("SET", "key", strings.Repeat("v", 70)), 20000), 1009},
		"nothing but empty commands":      {strings.Repeat("*0\r\n\r\n", 100000), 7},
		"commands around the small size":  {strings.Repeat(command("SET", strings.Repeat("v", 500)), 2000), 300},
		"large commands and small pieces": {strings.Repeat(command("SET", strings.Repeat("v", 100000))+command("PING"), 20), 77},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFraming()
			_, err := feed(t, f, []byte(c.stream), c.cut)
			require.NoError(t, err)
			require.LessOrEqual(t, f.work, int64(10*len(c.stream)))
			t.Logf("%.2f looks at each of %d bytes", float64(f.work)/float64(len(c.stream)), len(c.stream))
		})
	}
}

// A caller that writes before it has taken everything out must not make the buffer's moves quadratic either.
func TestWorkIsLinearWhenTheCallerLagsBehind(t *testing.T) {
	f := newFraming()
	one := []byte(command("SET", "k", "v"))
	total := 0
	for i := range 200000 {
		require.NoError(t, f.write(one))
		total += len(one)
		if i > 2000 {
			_, ok, err := f.next(nil)
			require.True(t, ok)
			require.NoError(t, err)
		}
	}
	require.LessOrEqual(t, f.work, int64(10*total))
	require.LessOrEqual(t, cap(f.buf), 8*f.pending())
}

func TestMemoryFollowsTheBytesThatCame(t *testing.T) {
	f := newFraming()
	got, err := feed(t, f, []byte("*1000000\r\n$536870912\r\nabc"), 1)
	require.NoError(t, err)
	require.Empty(t, got)
	require.LessOrEqual(t, cap(f.buf), smallBuffer)
}

func TestBufferOfALargeWordIsNotDoubled(t *testing.T) {
	f := newFraming()
	const size = 9 << 20 // one byte above a power of two would double to 16 MiB
	stream := []byte(command("SET", "k", strings.Repeat("v", size)) + strings.Repeat("PING\r\n", 20000))
	most := 0
	for len(stream) > 0 {
		n := min(16<<10, len(stream))
		require.NoError(t, f.write(stream[:n]))
		stream = stream[n:]
		most = max(most, cap(f.buf))
		_, err := drain(t, f, false)
		require.NoError(t, err)
	}
	require.Less(t, most, size+2*chunkBuffer)
	require.Less(t, cap(f.buf), 2*chunkBuffer, "shrinks without release too")
}

func TestIdleConnectionHoldsNoLargeBuffer(t *testing.T) {
	for _, size := range []int{10, 5000, 100000, 5 << 20} {
		for rest, most := range map[string]int{"": smallBuffer, "*3\r\n$3\r\nSET": smallBuffer, strings.Repeat("x", 20000): 80000} {
			f := newFraming()
			require.NoError(t, f.write([]byte(command("SET", strings.Repeat("v", size))+rest)))
			got, err := drain(t, f, true)
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.LessOrEqual(t, cap(f.buf), most)

			more, err := feed(t, f, []byte("\n"), 1) // what was begun goes on
			if rest == "" || rest[0] == '*' {
				require.Empty(t, more)
			} else {
				require.Equal(t, [][]string{{rest}}, more)
			}
			require.NoError(t, err)
		}
	}
}

func TestStreamOfHalfCommandsHoldsOneChunk(t *testing.T) {
	f := newFraming()
	one := command("SET", "key", strings.Repeat("v", 70))
	stream := []byte(strings.Repeat(one, 50000))
	for len(stream) > 0 {
		n := min(16001, len(stream))
		require.NoError(t, f.write(stream[:n]))
		stream = stream[n:]
		_, err := drain(t, f, false)
		require.NoError(t, err)
		require.LessOrEqual(t, cap(f.buf), chunkBuffer)
	}
}

// FuzzFraming: however a stream is cut, its commands and its error are those that naive finds in it whole.
func FuzzFraming(f *testing.F) {
	f.Fuzz(func(t *testing.T, stream, cuts []byte, mode byte) {
		lengths := []int{1}
		for i, c := range cuts {
			lengths = append(lengths[:i], int(c)+1)
		}
		l := defaultLimits()
		l.unauthenticated = mode&1 != 0
		if mode&2 != 0 {
			l.inline, l.multibulk, l.bulk = 40, 12, 20000
		}
		commands, failure := naive(stream, l)
		for _, cuts := range [][]int{lengths, {1}, {len(stream)}} {
			fr := &framing{limits: l}
			got, err := feed(t, fr, stream, cuts...)
			require.Equal(t, commands, got)
			if failure == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, failure)
			}
			require.LessOrEqual(t, fr.work, int64(100+10*len(stream)))
			require.LessOrEqual(t, cap(fr.buf), max(smallBuffer, chunkBuffer+4*len(stream)))
		}
	})
}

func BenchmarkFraming(b *testing.B) {
	for name, one := range map[string]string{
		"SET":    command("SET", "key:000000000001", strings.Repeat("v", 64)),
		"GET":    command("GET", "key:000000000001"),
		"inline": "GET key:000000000001\r\n",
	} {
		for _, batch := range []int{1, 32, 300} {
			b.Run(fmt.Sprintf("%s/%d", name, batch), func(b *testing.B) {
				f := newFraming()
				stream := []byte(strings.Repeat(one, batch))
				stream = append(stream, one[:7]...) // half a command, always
				rest := []byte(one[7:])
				words := make([][]byte, 0, 16)
				b.ReportAllocs()
				b.SetBytes(int64(len(one)))
				for i := 0; i < b.N; i += batch + 1 {
					for _, piece := range [][]byte{stream, rest} {
						if err := f.write(piece); err != nil {
							b.Fatal(err)
						}
						for {
							if _, ok, err := f.next(words); !ok {
								if err != nil {
									b.Fatal(err)
								}
								break
							}
						}
						f.release()
					}
				}
			})
		}
	}
}
