// Package resp is what parley's replies are made of: a Value, and a Reader that reads Values
// from a connection, in RESP2 and RESP3.
//
// The rules are those of the protocol specification
// (https://redis.io/docs/latest/develop/reference/protocol-spec/) as
// redis-server 7.0.15 applies them.
package resp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unsafe"
)

// A Type is the byte that opens an element on the wire.
type Type byte

// The types of both protocols.
const (
	TypeStatus    Type = '+' // Str
	TypeError     Type = '-' // Str
	TypeInt       Type = ':' // Int
	TypeBulk      Type = '$' // Str
	TypeArray     Type = '*' // Elems
	TypeNull      Type = '_'
	TypeBool      Type = '#' // Int is 1 or 0
	TypeDouble    Type = ',' // Double; Str is the text as received
	TypeBigNumber Type = '(' // Str
	TypeVerbatim  Type = '=' // Str, without the format's prefix
	TypeMap       Type = '%' // Elems: key, value, key, value, ...
	TypeSet       Type = '~' // Elems
	TypePush      Type = '>' // Elems
)

// A Value is a reply read back. Type says which fields hold it. The two nulls
// of RESP2, $-1 and *-1, and the one of RESP3 all read as TypeNull.
type Value struct {
	Type   Type
	Str    string
	Int    int64
	Double float64
	Elems  []Value
}

// IsNull reports whether the reply is a null of any kind.
func (v Value) IsNull() bool { return v.Type == TypeNull }

// Err returns the reply as an Error if it is one, else nil.
func (v Value) Err() error {
	if v.Type == TypeError {
		return Error(v.Str)
	}
	return nil
}

// Text returns the reply as one string: the text of strings and errors, the
// digits of numbers, "" for null and aggregates.
func (v Value) Text() string {
	switch v.Type {
	case TypeInt, TypeBool:
		return strconv.FormatInt(v.Int, 10)
	default:
		return v.Str
	}
}

// Strings returns the elements of an aggregate, each as Text gives it.
func (v Value) Strings() []string {
	texts := make([]string, len(v.Elems))
	for i, e := range v.Elems {
		texts[i] = e.Text()
	}
	return texts
}

// Map returns field-value pairs, which RESP3 sends as a map and RESP2 as a
// flat array, as a Go map of Texts. An odd last element is left out.
func (v Value) Map() map[string]string {
	m := make(map[string]string, len(v.Elems)/2)
	for i := 0; i+1 < len(v.Elems); i += 2 {
		m[v.Elems[i].Text()] = v.Elems[i+1].Text()
	}
	return m
}

// String renders the reply as redis-cli does on a terminal.
func (v Value) String() string {
	var b strings.Builder
	v.render(&b, "")
	return b.String()
}

func (v Value) render(b *strings.Builder, indent string) {
	switch v.Type {
	case TypeStatus, TypeVerbatim, TypeBigNumber:
		b.WriteString(v.Str)
	case TypeError:
		b.WriteString("(error) " + v.Str)
	case TypeInt:
		fmt.Fprintf(b, "(integer) %d", v.Int)
	case TypeDouble:
		b.WriteString("(double) " + v.Str)
	case TypeBool:
		if v.Int == 1 {
			b.WriteString("(true)")
		} else {
			b.WriteString("(false)")
		}
	case TypeNull:
		b.WriteString("(nil)")
	case TypeBulk:
		b.WriteString(Quote(v.Str))
	default:
		v.renderElems(b, indent)
	}
}

// aggregates gives, as redis-cli does, the mark behind an element's number and
// the words for an aggregate that is empty.
var aggregates = map[Type]struct{ mark, empty string }{
	TypeArray: {")", "(empty array)"},
	TypeMap:   {"#", "(empty hash)"},
	TypeSet:   {"~", "(empty set)"},
	TypePush:  {">", "(empty push)"},
}

func (v Value) renderElems(b *strings.Builder, indent string) {
	look := aggregates[v.Type]
	if len(v.Elems) == 0 {
		b.WriteString(look.empty)
		return
	}
	count, step := len(v.Elems), 1
	if v.Type == TypeMap {
		count, step = count/2, 2
	}
	width := len(strconv.Itoa(count))
	inner := indent + strings.Repeat(" ", width+2)
	for i := range count {
		if i > 0 {
			b.WriteString("\n" + indent)
		}
		fmt.Fprintf(b, "%*d%s ", width, i+1, look.mark)
		v.Elems[i*step].render(b, inner)
		if step == 2 {
			b.WriteString(" => ")
			v.Elems[i*step+1].render(b, inner)
		}
	}
}

// Quote renders bytes between double quotes as redis-cli does: \n \r \t \a \b,
// and \xHH for what is not printable ASCII.
func Quote[T string | []byte](s T) string {
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '"':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		case '\a':
			b = append(b, `\a`...)
		case '\b':
			b = append(b, `\b`...)
		default:
			if c < ' ' || c > '~' {
				b = fmt.Appendf(b, `\x%02x`, c)
			} else {
				b = append(b, c)
			}
		}
	}
	return string(append(b, '"'))
}

// An Error is a reply of the error type: its code, a space, the message, as in
// "WRONGTYPE Operation against ...". Two errors with one text are equal, so
// errors.Is works with the constants of package commands.
type Error string

// Error is the reply as it is sent.
func (e Error) Error() string { return string(e) }

// ErrMalformed says that what came is not RESP. It is wrapped with the detail.
var ErrMalformed = errors.New("resp: malformed reply")

// maxDepth bounds how deep replies may nest, so that hostile input cannot
// exhaust the stack. Redis's own deepest reply (COMMAND DOCS) has some ten.
const maxDepth = 128

// A Reader reads replies and pushes from a stream.
type Reader struct {
	r    *bufio.Reader
	here *inMemory // what r reads from, if all of it has come; else nil
}

// NewReader returns a Reader over r, which it buffers.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReader(r)} }

// Read returns the next whole reply or push. A reply of the error type is a
// Value, not an error of Read; errors are those of the stream, and ErrMalformed.
func (r *Reader) Read() (Value, error) { return r.value(0) }

// Buffered is the number of bytes received and not yet read.
func (r *Reader) Buffered() int { return r.r.Buffered() }

// Parse reads one reply, which may be in several pieces. It does not look at bytes behind
// the reply.
func Parse(pieces ...[]byte) (Value, error) {
	from := &inMemory{pieces: pieces}
	r := Reader{bufio.NewReaderSize(from, 16), from}
	return r.Read()
}

// inMemory reads pieces.
type inMemory struct {
	pieces [][]byte
	first  []byte // the rest of the piece that is being read
}

// Read is that of an io.Reader.
func (m *inMemory) Read(p []byte) (n int, err error) {
	for len(m.first) == 0 {
		if len(m.pieces) == 0 {
			return 0, io.EOF
		}
		m.first, m.pieces = m.pieces[0], m.pieces[1:]
	}
	n = copy(p, m.first)
	m.first = m.first[n:]
	return n, nil
}

// left returns the number of bytes that have not been read.
func (m *inMemory) left() int {
	n := len(m.first)
	for _, p := range m.pieces {
		n += len(p)
	}
	return n
}

func (r *Reader) value(depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, fmt.Errorf("%w: nested more than %d deep", ErrMalformed, maxDepth)
	}
	line, err := r.line()
	if err != nil {
		return Value{}, err
	}
	if line == "" {
		return Value{}, fmt.Errorf("%w: empty line", ErrMalformed)
	}
	v := Value{Type: Type(line[0])}
	rest := line[1:]
	switch v.Type {
	case TypeStatus, TypeError, TypeBigNumber:
		v.Str = rest
	case TypeInt:
		v.Int, err = strconv.ParseInt(rest, 10, 64)
	case TypeNull:
	case TypeBool:
		if rest == "t" {
			v.Int = 1
		} else if rest != "f" {
			err = fmt.Errorf("bad truth value %q", rest)
		}
	case TypeDouble:
		v.Str = rest
		v.Double, err = parseDouble(rest)
	case TypeBulk, TypeVerbatim:
		return r.bulk(v, rest)
	case TypeArray, TypeMap, TypeSet, TypePush:
		return r.elems(v, rest, depth)
	default:
		err = fmt.Errorf("unknown type %q", line[0])
	}
	if err != nil {
		return Value{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return v, nil
}

func parseDouble(s string) (float64, error) {
	if s == "-nan" || s == "nan" {
		return math.NaN(), nil
	}
	return strconv.ParseFloat(s, 64)
}

func (r *Reader) bulk(v Value, length string) (Value, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < -1 || n > math.MaxInt-2 {
		return Value{}, fmt.Errorf("%w: bulk length %q", ErrMalformed, length)
	}
	if n == -1 {
		return Value{Type: TypeNull}, nil
	}
	p, err := r.take(n + 2)
	if err != nil {
		return Value{}, unexpectedEOF(err)
	}
	if !bytes.HasSuffix(p, []byte("\r\n")) {
		return Value{}, fmt.Errorf("%w: bulk without its line end", ErrMalformed)
	}
	p = p[:n]
	if v.Type == TypeVerbatim {
		if n < 4 {
			return Value{}, fmt.Errorf("%w: verbatim string without its format", ErrMalformed)
		}
		p = p[4:]
	}
	v.Str = unsafe.String(unsafe.SliceData(p), len(p)) // take has made it for this
	return v, nil
}

// take reads n bytes. A great n is only a claim: memory is taken as bytes come.
func (r *Reader) take(n int) ([]byte, error) {
	if n <= 64<<10 || r.here != nil && n <= r.r.Buffered()+r.here.left() {
		p := make([]byte, n)
		_, err := io.ReadFull(r.r, p)
		return p, err
	}
	var b bytes.Buffer
	_, err := io.CopyN(&b, r.r, int64(n))
	return b.Bytes(), err
}

func (r *Reader) elems(v Value, length string, depth int) (Value, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < -1 || n > math.MaxInt32 {
		return Value{}, fmt.Errorf("%w: aggregate length %q", ErrMalformed, length)
	}
	if n == -1 {
		return Value{Type: TypeNull}, nil
	}
	if v.Type == TypeMap {
		n *= 2
	}
	v.Elems = make([]Value, 0, min(n, 1024))
	for range n {
		e, err := r.value(depth + 1)
		if err != nil {
			return Value{}, unexpectedEOF(err)
		}
		v.Elems = append(v.Elems, e)
	}
	return v, nil
}

// line returns the next line without its CRLF. A stream that ends before the
// first byte is io.EOF; one that ends later io.ErrUnexpectedEOF.
func (r *Reader) line() (string, error) {
	line, err := r.r.ReadString('\n')
	if err != nil {
		if line != "" {
			err = unexpectedEOF(err)
		}
		return "", err
	}
	if !strings.HasSuffix(line, "\r\n") {
		return "", fmt.Errorf("%w: line without CR", ErrMalformed)
	}
	return line[:len(line)-2], nil
}

func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
