package server

import (
	"bytes"
	"errors"
	"math"
	"sync"

	"github.com/tidwall/redcon"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/datastructs"
)

// Limits that Redis 7.0 has as constants.
const (
	maxMultibulk       = math.MaxInt32 // words in a command
	maxLine            = 64 << 10      // bytes of an inline command or a header before its end
	unauthMaxMultibulk = 10
	unauthMaxBulk      = 16384
)

// Sizes of a framing's buffer, in bytes. Larger buffers are allocated as bytes
// arrive and dropped after use.
const (
	smallBuffer = 512      // stays with a connection: enough for one command at a time
	chunkBuffer = 32 << 10 // taken from chunks while a pipeline is read
)

// limits are the limits of one connection's input. The session updates them when the
// client authenticates and when the configuration changes. As in Redis, headers that were
// read before are not checked again.
type limits struct {
	multibulk int   // words in a command
	bulk      int64 // bytes in a word: proto-max-bulk-len
	inline    int   // bytes in an inline command or a header before its line end
	query     int   // bytes of input not yet executed: client-query-buffer-limit
	// unauthenticated: 10 words of 16 KiB each, with their own error texts. The
	// limits above apply, too, and are checked first.
	unauthenticated bool
}

// defaultLimits returns Redis's default limits, for a client that is authenticated or need
// not be.
func defaultLimits() limits {
	return limits{multibulk: maxMultibulk, bulk: 512 << 20, inline: maxLine, query: 1 << 30}
}

// What Redis replies, without the leading "-", before it closes the connection.
var (
	errInlineTooBig     = errors.New("ERR Protocol error: too big inline request")
	errUnbalancedQuotes = errors.New("ERR Protocol error: unbalanced quotes in request")
	errCountTooBig      = errors.New("ERR Protocol error: too big mbulk count string")
	errCountInvalid     = errors.New("ERR Protocol error: invalid multibulk length")
	errCountUnauth      = errors.New("ERR Protocol error: unauthenticated multibulk length")
	errBulkTooBig       = errors.New("ERR Protocol error: too big bulk count string")
	errBulkInvalid      = errors.New("ERR Protocol error: invalid bulk length")
	errBulkUnauth       = errors.New("ERR Protocol error: unauthenticated bulk length")

	// errCodec is returned if framing and redcon parse a command differently. No
	// input is known to cause it.
	errCodec = errors.New("ERR Protocol error: command not understood")
)

// errQueryBuffer is returned if more than limits.query bytes arrive without the end of a
// command. The connection is closed without a reply, as in Redis.
var errQueryBuffer = errors.New("client query buffer limit exceeded")

// A framing splits a stream of bytes into commands: write appends input, next returns the
// next complete command. It passes only complete, valid commands to
// redcon.ReadNextCommand, which panics or hangs on some invalid input, and parses
// incomplete input again from the start.
//
// The result does not depend on how the stream was split into reads, and each byte is
// scanned a fixed number of times. Memory grows with the bytes received, never with an
// announced length alone. There are two differences from Redis: a line longer than 64 KiB
// is always an error (Redis accepts it if its end arrives in the same read), and a whole
// command must fit into limits.query (Redis removes words from its buffer one by one).
//
// The zero value is ready once limits are set. A framing has no lock: session.turn guards
// it.
type framing struct {
	limits limits

	buf  []byte // received input, not yet overwritten
	head int    // start of the command in progress; next has returned all before it
	line int    // start of the header or inline command in progress
	pos  int    // all before it has been scanned

	commands  int64 // number of commands that end at head or before, empty ones included
	count     int   // words of the command in progress; 0 until its first header is complete
	wordsLeft int   // words of it that are not complete
	bulk      int64 // bytes in the word at pos, if inBulk, or in the last of large
	inBulk    bool  // the header of the word at pos has been read

	large      []largeWord // of the command in progress
	filling    bool        // the last of large is incomplete
	largeBytes int         // bytes in the large words that the last next has returned

	err  error // the first error; nothing is read after it
	work int64 // bytes scanned, parsed or moved; tests check that it is linear in the input
}

// A largeWord is a word with its own buffer, as in Redis, so that it need not be copied:
// it belongs to the caller of next. In buf it is replaced by emptyWord. The buffer gets
// its full size once an eighth of the word has arrived.
type largeWord struct {
	index    int // among the words of its command
	data     []byte
	overhead int // bytes of its header and line end, except those of emptyWord in buf
}

// write appends a copy of p to the input. It invalidates words that next has returned. It
// may be called before next needs more input, up to limits.query bytes.
func (f *framing) write(p []byte) error {
	if f.err != nil {
		return f.err
	}
	if len(p) > f.limits.query-f.pending() {
		f.err = errQueryBuffer
		return f.err
	}
	if f.filling {
		p = f.fill(p)
		if len(p) == 0 {
			return nil
		}
	}
	if f.unused() == 0 || len(p) > cap(f.buf)-len(f.buf) {
		f.reserve(len(p))
	}
	f.buf = append(f.buf, p...)
	return nil
}

// next returns the words of the next complete command; ok is false if it needs more input.
// Commands without words (*0, *-1, empty lines) are skipped. The error of an invalid
// stream is returned after all commands before it, and by every later call; its text is
// the reply after "-". Each call scans one command only, so that limits which a command
// changes (AUTH) apply to the next.
//
// args uses the spare capacity of dst if that suffices, and a new array otherwise. To
// collect several commands, use dst = append(dst, args...), which copies only if dst must
// grow. Words are parts of the buffer, valid until the next write or release. Words of
// commands.LargeWord bytes or more belong to the caller. The capacity of args and of each
// word is limited to its length.
func (f *framing) next(dst [][]byte) (args [][]byte, ok bool, err error) {
	f.largeBytes = 0
	for f.err == nil && f.head < len(f.buf) {
		if f.buf[f.head] == '*' {
			args, ok = f.nextMultibulk(dst)
		} else {
			args, ok = f.nextInline(dst)
		}
		if !ok {
			break
		}
		f.head, f.line, f.count = f.pos, f.pos, 0
		f.commands++
		if len(args) > 0 {
			return args[:len(args):len(args)], true, nil
		}
	}
	return nil, false, f.err
}

// release frees memory that an idle connection does not need. The session calls it after
// the commands that next has returned have run: it invalidates their words.
func (f *framing) release() {
	live, size := f.unused(), cap(f.buf)
	switch {
	case size <= smallBuffer && f.err == nil:
	case live == 0 || f.err != nil:
		recycle(f.buf)
		f.buf, f.head, f.line, f.pos = nil, 0, 0, 0
		f.large, f.filling = nil, false
	case live <= smallBuffer/2 || size > chunkBuffer && live <= size/4:
		f.moveTo(newBuffer(2 * live))
	}
}

// releaseAll frees the small buffer, too, which release keeps, unless it holds input.
func (f *framing) releaseAll() {
	if f.pending() == 0 && f.err == nil {
		recycle(f.buf)
		f.buf, f.head, f.line, f.pos = nil, 0, 0, 0
	}
}

// buffered returns the bytes of pending input, and the free bytes of the buffers (qbuf and
// qbuf-free of CLIENT LIST).
func (f *framing) buffered() (used, free int) {
	used, free = f.pending(), cap(f.buf)-f.unused()
	for _, w := range f.large {
		free += cap(w.data) - len(w.data)
	}
	return used, free
}

// pending returns the bytes of input that belong to no returned command.
func (f *framing) pending() int {
	n := f.unused()
	for _, w := range f.large {
		n += len(w.data) + w.overhead
	}
	return n
}

// unused returns the bytes of pending input in buf, that is, without large words.
func (f *framing) unused() int { return len(f.buf) - f.head }

// nextInline reads a command that is a line of text. A line with a NUL never ends, as in
// Redis, which finds the end with strchr.
func (f *framing) nextInline(dst [][]byte) (args [][]byte, ok bool) {
	end, ok := f.findEnd('\n', errInlineTooBig)
	if !ok {
		return nil, false
	}
	f.pos = end + 1
	text := f.buf[f.line:end]
	if n := len(text); n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	}
	f.work += int64(len(text))
	args, ok = commands.SplitWords(dst[len(dst):], text)
	if !ok {
		f.err = errUnbalancedQuotes
		return nil, false
	}
	return args, true
}

// nextMultibulk reads a command in the form "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n".
func (f *framing) nextMultibulk(dst [][]byte) (args [][]byte, ok bool) {
	if f.count == 0 {
		n, ok := f.readCount()
		if !ok {
			return nil, false
		}
		if n <= 0 {
			return nil, true
		}
		f.count, f.wordsLeft = n, n
	}
	for f.wordsLeft > 0 {
		if f.filling {
			return nil, false
		}
		header := f.line
		if !f.inBulk && !f.readBulkLength() {
			return nil, false
		}
		if int64(len(f.buf)-f.pos)-2 < f.bulk {
			if f.bulk >= commands.LargeWord {
				f.beginLarge(header)
			}
			return nil, false
		}
		f.pos += int(f.bulk)
		f.endLine()
		f.inBulk = false
		f.wordsLeft--
	}
	return f.parse(dst)
}

// readCount reads the header of a command: "*2\r\n". Zero and negative counts are valid
// and mean no command.
func (f *framing) readCount() (n int, ok bool) {
	text, ok := f.readHeader(errCountTooBig)
	if !ok {
		return 0, false
	}
	v, ok := datastructs.ParseInt(text[1:])
	switch {
	case !ok || v > int64(f.limits.multibulk):
		f.err = errCountInvalid
	case v > unauthMaxMultibulk && f.limits.unauthenticated:
		f.err = errCountUnauth
	}
	return int(max(v, 0)), f.err == nil
}

// readBulkLength reads the header of a word: "$4\r\n".
func (f *framing) readBulkLength() (ok bool) {
	text, ok := f.readHeader(errBulkTooBig)
	if !ok {
		return false
	}
	if len(text) == 0 || text[0] != '$' {
		f.err = errExpectedDollar(text)
		return false
	}
	v, ok := datastructs.ParseInt(text[1:])
	switch {
	case !ok || v < 0 || v > f.limits.bulk:
		f.err = errBulkInvalid
	case v > unauthMaxBulk && f.limits.unauthenticated:
		f.err = errBulkUnauth
	}
	f.bulk, f.inBulk = v, f.err == nil
	return f.inBulk
}

// readHeader returns the header in progress without its line end, once both bytes of that
// have arrived. As in Redis, the content is checked only then: "*x\r" is not yet an error.
func (f *framing) readHeader(tooBig error) (text []byte, ok bool) {
	end, ok := f.findEnd('\r', tooBig)
	if !ok || len(f.buf)-end < 2 {
		return nil, false
	}
	text = f.buf[f.line:end]
	f.work += int64(len(text))
	f.endLine()
	return text, true
}

// endLine skips the two bytes at pos that end a header or a word. Redis accepts any two
// bytes, redcon only CR LF, so it overwrites them with CR LF.
func (f *framing) endLine() {
	f.buf[f.pos], f.buf[f.pos+1] = '\r', '\n'
	f.pos += 2
	f.line = f.pos
}

// findEnd looks for the byte that ends the line in progress, moves pos there and returns
// its position. It continues where the last call stopped. It stops at a NUL, as Redis does.
func (f *framing) findEnd(end byte, tooBig error) (at int, ok bool) {
	last := f.line + f.limits.inline // the last position where the end may be
	stop := min(len(f.buf), last+1)
	from := f.pos
	for f.pos < stop && f.buf[f.pos] != end && f.buf[f.pos] != 0 {
		f.pos++
	}
	f.work += int64(f.pos-from) + 1
	if f.pos < stop && f.buf[f.pos] == end {
		return f.pos, true
	}
	if len(f.buf) > last {
		f.err = tooBig
	}
	return 0, false
}

// parse parses the command from head to pos with redcon.
func (f *framing) parse(dst [][]byte) (args [][]byte, ok bool) {
	dst = dst[len(dst):]
	if cap(dst) < f.count {
		dst = make([][]byte, 0, f.count) // all these words have arrived
	}
	packet := f.buf[f.head:f.pos:f.pos]
	f.work += int64(len(packet))
	ok, args, _, rest, err := redcon.ReadNextCommand(packet, dst)
	if !ok || err != nil || len(rest) != 0 || len(args) != f.count {
		f.err = errCodec
		return nil, false
	}
	for i, a := range args {
		if args[i] = a[:len(a):len(a)]; len(a) >= commands.LargeWord { // it is in buf
			args[i] = bytes.Clone(a)
			f.largeBytes += len(a)
		}
	}
	for _, w := range f.large {
		args[w.index] = w.data
		f.largeBytes += len(w.data)
	}
	f.large = nil
	return args, true
}

// beginLarge moves the word in progress to its own buffer. header is the position of its
// header in buf.
func (f *framing) beginLarge(header int) {
	first := f.buf[f.pos:]
	f.large = append(f.large, largeWord{index: f.count - f.wordsLeft, overhead: f.pos - header - len(emptyWord)})
	f.filling, f.inBulk = true, false
	f.fill(first)
	f.buf = append(f.buf[:header], emptyWord...) // shorter than any header of a large word
	f.pos = len(f.buf)
	f.line = f.pos
}

// emptyWord replaces each large word in buf.
const emptyWord = "$0\r\n\r\n"

// fill appends input to the large word in progress, and returns the bytes after that word.
func (f *framing) fill(p []byte) (rest []byte) {
	w := &f.large[len(f.large)-1]
	whole := int(min(f.bulk, math.MaxInt-2)) + 2
	n := min(len(p), whole-len(w.data))
	if size := len(w.data) + n; size > cap(w.data) {
		limit := max(min(whole, f.limits.query), size) // a longer word never becomes complete
		w.data = append(make([]byte, 0, largeCapacity(limit, size)), w.data...)
	}
	w.data = append(w.data, p[:n]...)
	f.work += int64(n)
	if len(w.data) == whole {
		w.data, w.overhead = w.data[:f.bulk:f.bulk], w.overhead+2
		f.filling = false
		f.wordsLeft--
	}
	return p[n:]
}

// largeCapacity returns the capacity of a buffer for the first want bytes of a word: whole,
// divided by eight while that leaves room for want. So all copies and discarded buffers
// together are at most a seventh of the word.
func largeCapacity(whole, want int) int {
	size := whole
	for size/8 >= max(want, chunkBuffer) {
		size /= 8
	}
	return size
}

// reserve discards the bytes of returned commands and makes room for n more bytes. It
// moves no more bytes than were discarded, or than fit before the next reserve, so all
// moves together are linear in the input.
func (f *framing) reserve(n int) {
	live := f.unused()
	want := live + n
	if want > cap(f.buf) || live > f.head || cap(f.buf) > chunkBuffer && want <= cap(f.buf)/4 {
		f.moveTo(newBuffer(f.capacity(want, live)))
		return
	}
	f.reindex(append(f.buf[:0], f.buf[f.head:]...))
}

// moveTo moves the unused bytes to another buffer.
func (f *framing) moveTo(buf []byte) {
	old := f.buf
	f.reindex(append(buf, old[f.head:]...))
	recycle(old)
}

// reindex sets the buffer to buf, which starts with the command in progress.
func (f *framing) reindex(buf []byte) {
	f.work += int64(len(buf))
	f.buf, f.head, f.line, f.pos = buf, 0, f.line-f.head, f.pos-f.head
}

// capacity returns the capacity of a buffer for want bytes, live of which are in use: as
// much again, but not more than the word in progress needs plus one chunk for input that
// follows it.
func (f *framing) capacity(want, live int) int {
	size := want + live
	if f.inBulk && f.bulk < int64(size) {
		if known := f.pos - f.head + int(f.bulk) + 2 + chunkBuffer; want <= known {
			size = min(size, known)
		}
	}
	return max(want, size)
}

// chunks are unused buffers of chunkBuffer bytes.
var chunks = sync.Pool{New: func() any { return new([chunkBuffer]byte) }}

// newBuffer returns an empty buffer with a capacity of at least size bytes.
func newBuffer(size int) []byte {
	switch {
	case size <= smallBuffer:
		return make([]byte, 0, smallBuffer)
	case size <= chunkBuffer:
		return chunks.Get().(*[chunkBuffer]byte)[:0]
	}
	return make([]byte, 0, size)
}

// recycle returns a buffer to chunks if it is one. Nothing may refer to it any more.
func recycle(b []byte) {
	if cap(b) == chunkBuffer {
		chunks.Put((*[chunkBuffer]byte)(b[:chunkBuffer]))
	}
}

// errExpectedDollar returns the error for a word's header that does not start with '$'.
// LF, which would break the reply, is shown as a space; so is an empty header, whose first
// byte is its line end. Any other byte is shown as it is.
func errExpectedDollar(header []byte) error {
	got := " "
	if len(header) > 0 && header[0] != '\n' {
		got = string(header[:1])
	}
	return errors.New("ERR Protocol error: expected '$', got '" + got + "'")
}
