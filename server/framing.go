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
	smallBuffer = 512      // kept by a connection for good: enough for one command at a time
	chunkBuffer = 32 << 10 // borrowed from chunks while a pipeline is being read
)

// limits is what one connection may send. The session changes it when the
// client authenticates and when the configuration changes; a header that has
// been read already is not judged again, as in Redis.
type limits struct {
	multibulk int   // words in a command
	bulk      int64 // bytes in a word: proto-max-bulk-len
	inline    int   // bytes in an inline command or a header before the byte that ends it
	query     int   // bytes waiting to be executed: client-query-buffer-limit
	// unauthenticated: 10 words of 16 KiB, with error texts of their own. The
	// limits above hold too, and come first.
	unauthenticated bool
}

// defaultLimits are those of Redis with no configuration file, for a client
// that has authenticated or need not.
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

	// errCodec says that the scanner and redcon read one command differently.
	// No input is known to cause it.
	errCodec = errors.New("ERR Protocol error: command not understood")
)

// errQueryBuffer is returned for a client that sends more than limits.query
// without a command in it ending. It is not sent: the connection is closed
// without a reply, as Redis does.
var errQueryBuffer = errors.New("client query buffer limit exceeded")

// A framing finds the commands in a stream of bytes: write appends input, next
// takes the next whole command out. It stands before redcon.ReadNextCommand,
// which panics, hangs or parses again from the start on what it is not prepared
// for, and lets only whole, valid commands through to it.
//
// What next returns does not depend on how the stream was cut, and each byte is
// looked at a fixed number of times. (Redis lets a line longer than 64 KiB pass
// if its end happens to arrive in the same read; here it never passes.) Memory
// follows the bytes that have come, never a length alone that a client has announced.
// One command must fit into limits.query as a whole; Redis takes words out of
// its buffer one by one.
//
// The zero value is ready once limits are set. A framing has no lock: it
// belongs to its session.
type framing struct {
	limits limits

	buf  []byte // received and not yet overwritten
	head int    // where the command in progress starts: all before has been returned by next
	line int    // where the header or the inline command in progress starts
	pos  int    // all before has been looked at

	commands  int64 // commands that end at head or before, those of no words included
	count     int   // words announced by the command in progress; 0 until its first header is complete
	wordsLeft int   // words of it that are still to come
	bulk      int64 // bytes in the word at pos, if inBulk, or in the last of large
	inBulk    bool  // the header of the word at pos has been read

	large      []largeWord // of the command in progress
	filling    bool        // the last of large has not come whole
	largeBytes int         // bytes in the large words that next has returned last

	err  error // the first error: nothing is read after it
	work int64 // bytes looked at, parsed or moved; tests hold it linear in the input
}

// A largeWord is a word that has a buffer of its own, as in Redis, so that it need not
// be copied once it is whole: it belongs to whoever next returns it to. In buf an empty
// word stands in its place. The buffer is allocated in its full size once an eighth of
// the word has come.
type largeWord struct {
	index    int // among the words of its command
	data     []byte
	overhead int // bytes of its header and end, but for those that stand in buf
}

// write appends a copy of p to the input. Words that next returned earlier are
// invalid from here on. To call it before next has said that it needs more is
// allowed; whoever does so is bounded by limits.query.
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

// next returns the words of the next whole command; ok is false when it needs
// more bytes. Commands of no words (*0, *-1, empty lines) are skipped. The
// error of a broken stream is returned after all commands before it, is what to
// reply after "-", and is returned again by every later call. Only one command
// is looked at per call, so that limits which that command changes (AUTH) hold
// for the one after it.
//
// args is appended to dst in place while dst has room and is an array of its
// own otherwise: whoever collects several commands goes on with dst =
// append(dst, args...), which then copies nothing or grows dst. The words are
// parts of the buffer, valid until the next write or release, but for those of
// commands.LargeWord bytes or more, which are the caller's for good; appending to one,
// or to args, does not reach the next.
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

// release gives back memory that an idle connection need not hold. The session
// calls it when it has run the commands that next returned: their words are
// invalid from here on.
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

// empty gives back the small buffer too, which release keeps for the next command.
func (f *framing) releaseAll() {
	if f.pending() == 0 && f.err == nil {
		recycle(f.buf)
		f.buf, f.head, f.line, f.pos = nil, 0, 0, 0
	}
}

// buffered returns the bytes that no returned command has used, and those for
// which there is room without growing (qbuf and qbuf-free of CLIENT LIST).
func (f *framing) buffered() (used, free int) {
	used, free = f.pending(), cap(f.buf)-f.unused()
	for _, w := range f.large {
		free += cap(w.data) - len(w.data)
	}
	return used, free
}

// pending is how many bytes no returned command has used.
func (f *framing) pending() int {
	n := f.unused()
	for _, w := range f.large {
		n += len(w.data) + w.overhead
	}
	return n
}

// unused is pending without large words.
func (f *framing) unused() int { return len(f.buf) - f.head }

// nextInline reads a command that is a line of text. A NUL before the line's
// end makes it endless, as in Redis, which looks for the end with strchr.
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

// readCount reads the header of a command: "*2\r\n". Zero and below are valid,
// and stand for no command.
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

// readHeader returns the header in progress without its end, once the two bytes
// of that have come. As in Redis the header's content counts only then:
// "*1\r\nx" is no error yet.
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

// endLine skips the two bytes at pos that end a header or a word. Redis does
// not look what they are, redcon does, so they are made what they should be.
func (f *framing) endLine() {
	f.buf[f.pos], f.buf[f.pos+1] = '\r', '\n'
	f.pos += 2
	f.line = f.pos
}

// findEnd looks for the byte that ends the line in progress, moves pos there
// and returns where it is. It goes on where it stopped last time, and does not
// look past a NUL, because Redis does not.
func (f *framing) findEnd(end byte, tooBig error) (at int, ok bool) {
	longest := f.line + f.limits.inline
	stop := min(len(f.buf), longest+1)
	from := f.pos
	for f.pos < stop && f.buf[f.pos] != end && f.buf[f.pos] != 0 {
		f.pos++
	}
	f.work += int64(f.pos-from) + 1
	if f.pos < stop && f.buf[f.pos] == end {
		return f.pos, true
	}
	if len(f.buf) > longest {
		f.err = tooBig
	}
	return 0, false
}

// parse has redcon take apart the command from head to pos, and nothing but that.
func (f *framing) parse(dst [][]byte) (args [][]byte, ok bool) {
	dst = dst[len(dst):]
	if cap(dst) < f.count {
		dst = make([][]byte, 0, f.count) // not a mere claim: all these words have arrived
	}
	packet := f.buf[f.head:f.pos:f.pos]
	f.work += int64(len(packet))
	ok, args, _, rest, err := redcon.ReadNextCommand(packet, dst)
	if !ok || err != nil || len(rest) != 0 || len(args) != f.count {
		f.err = errCodec
		return nil, false
	}
	for i, a := range args {
		if args[i] = a[:len(a):len(a)]; len(a) >= commands.LargeWord { // it came whole while nothing ran
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

// beginLarge gives the word in progress, whose header starts at a place and whose first
// bytes have come, a buffer of its own.
func (f *framing) beginLarge(header int) {
	first := f.buf[f.pos:]
	f.large = append(f.large, largeWord{index: f.count - f.wordsLeft, overhead: f.pos - header - len(emptyWord)})
	f.filling, f.inBulk = true, false
	f.fill(first)
	f.buf = append(f.buf[:header], emptyWord...) // shorter than any header of a large word
	f.pos = len(f.buf)
	f.line = f.pos
}

const emptyWord = "$0\r\n\r\n"

// fill appends to the large word in progress, and returns what does not belong to it.
func (f *framing) fill(p []byte) (rest []byte) {
	w := &f.large[len(f.large)-1]
	whole := int(min(f.bulk, math.MaxInt-2)) + 2
	n := min(len(p), whole-len(w.data))
	if size := len(w.data) + n; size > cap(w.data) {
		most := max(min(whole, f.limits.query), size) // a longer word never comes whole
		w.data = append(make([]byte, 0, largeCapacity(most, size)), w.data...)
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

// largeCapacity is how large a buffer for the first want bytes of a word should be: the
// whole, or an eighth of it, or an eighth of that, and so on. So what is copied, and
// left behind, comes to a seventh of the word at most.
func largeCapacity(whole, want int) int {
	size := whole
	for size/8 >= max(want, chunkBuffer) {
		size /= 8
	}
	return size
}

// ensureMemory gets rid of the bytes that next has used and sees to it that n more
// bytes fit in. It moves no more bytes than have been used or than will fit in
// before it is called again, so that all moves together are linear.
func (f *framing) reserve(n int) {
	live := f.unused()
	want := live + n
	if want > cap(f.buf) || live > f.head || cap(f.buf) > chunkBuffer && want <= cap(f.buf)/4 {
		f.moveTo(newBuffer(f.capacity(want, live)))
		return
	}
	f.reindex(append(f.buf[:0], f.buf[f.head:]...))
}

// moveTo puts what next has not used into another buffer.
func (f *framing) moveTo(buf []byte) {
	old := f.buf
	f.reindex(append(buf, old[f.head:]...))
	recycle(old)
}

// reindex makes buf, which starts with the command in progress, the buffer.
func (f *framing) reindex(buf []byte) {
	f.work += int64(len(buf))
	f.buf, f.head, f.line, f.pos = buf, 0, f.line-f.head, f.pos-f.head
}

// capacity is how large a buffer for want bytes should be, live of which are
// there already: as much again is free, but no more than the word in progress
// needs and a chunk for what follows it in the same read.
func (f *framing) capacity(want, live int) int {
	size := want + live
	if f.inBulk && f.bulk < int64(size) {
		if known := f.pos - f.head + int(f.bulk) + 2 + chunkBuffer; want <= known {
			size = min(size, known)
		}
	}
	return max(want, size)
}

// chunks are buffers of chunkBuffer bytes that no framing uses at the moment.
var chunks = sync.Pool{New: func() any { return new([chunkBuffer]byte) }}

// newBuffer returns an empty buffer with room for at least size bytes.
func newBuffer(size int) []byte {
	switch {
	case size <= smallBuffer:
		return make([]byte, 0, smallBuffer)
	case size <= chunkBuffer:
		return chunks.Get().(*[chunkBuffer]byte)[:0]
	}
	return make([]byte, 0, size)
}

// recycle takes back a buffer that nothing refers to any more.
func recycle(b []byte) {
	if cap(b) == chunkBuffer {
		chunks.Put((*[chunkBuffer]byte)(b[:chunkBuffer]))
	}
}

// errExpectedDollar is the reply to a word's header that does not start with
// '$'. A line break would break the reply (and an empty header starts with the
// one that ends it); any other byte is sent as it is.
func errExpectedDollar(header []byte) error {
	got := " "
	if len(header) > 0 && header[0] != '\n' {
		got = string(header[:1])
	}
	return errors.New("ERR Protocol error: expected '$', got '" + got + "'")
}
