package harness

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Client speaks the Redis protocol over any connection, and fails its test on
// read and write errors. A test may also write raw bytes to Conn.
type Client struct {
	net.Conn
	T testing.TB
	// R holds received bytes that were not read. A resp.Reader on it reads the
	// next replies as values, and nothing more.
	R *bufio.Reader
}

// NewClient returns a client of a connection, which it closes at the end of the
// test.
func NewClient(t testing.TB, conn net.Conn) *Client {
	t.Cleanup(func() { conn.Close() })
	return &Client{conn, t, bufio.NewReader(conn)}
}

// Connect makes a connection and returns a client of it.
func Connect(t testing.TB, dial func() (net.Conn, error)) *Client {
	t.Helper()
	conn, err := dial()
	if err != nil {
		t.Fatalf("cannot connect: %v", err)
	}
	return NewClient(t, conn)
}

// Dial is Connect to an address.
func Dial(t testing.TB, network, addr string) *Client {
	t.Helper()
	return Connect(t, func() (net.Conn, error) { return net.Dial(network, addr) })
}

// Send sends inline calls in one write. A call may contain line breaks, as \n
// or \r\n.
func (c *Client) Send(calls ...string) {
	c.T.Helper()
	text := strings.Join(calls, "\r\n") + "\r\n"
	if strings.Count(text, "\n") != strings.Count(text, "\r\n") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	}
	c.write(text)
}

// SendWords sends one call as an array of bulk strings.
func (c *Client) SendWords(words ...string) {
	c.T.Helper()
	c.write(string(Encode(words...)))
}

func (c *Client) write(text string) {
	c.T.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.T.Fatalf("cannot send %.100q: %v", text, err)
	}
}

// Encode returns a call as an array of bulk strings.
func Encode(words ...string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

// Ask sends an inline call and returns its reply, as Read does.
func (c *Client) Ask(call string) string {
	c.T.Helper()
	c.Send(call)
	return c.Read()
}

// AskWords is Ask for a call as an array of bulk strings.
func (c *Client) AskWords(words ...string) string {
	c.T.Helper()
	c.SendWords(words...)
	return c.Read()
}

// Read returns the next reply or push, formatted as redis-cli prints it on a
// terminal.
func (c *Client) Read() string {
	c.T.Helper()
	text, err := c.TryRead()
	if err != nil {
		c.T.Fatalf("instead of a reply: %v", err)
	}
	return text
}

// TryRead is Read for any goroutine, and for connections that may end. It
// returns errors.
func (c *Client) TryRead() (string, error) {
	var b strings.Builder
	err := c.print(&b, "")
	return b.String(), err
}

// Line returns the next line of the protocol, without its line ending.
func (c *Client) Line() string {
	c.T.Helper()
	line, err := c.line()
	if err != nil {
		c.T.Fatalf("instead of a line: %v", err)
	}
	return line
}

func (c *Client) line() (string, error) {
	line, err := c.R.ReadString('\n')
	return strings.TrimSuffix(line, "\r\n"), err
}

// Skip reads n lines.
func (c *Client) Skip(n int) {
	c.T.Helper()
	for range n {
		c.Line()
	}
}

// AskLine makes inline calls with one-line replies, one after the other, and
// returns the last reply.
func (c *Client) AskLine(calls ...string) (reply string) {
	c.T.Helper()
	for _, call := range calls {
		c.Send(call)
		reply = c.Line()
	}
	return reply
}

// Text returns the next reply unformatted: the bytes of a string, or the line
// of a one-line reply.
func (c *Client) Text() string {
	c.T.Helper()
	line := c.Line()
	if line == "" || line[0] != '$' && line[0] != '=' {
		return line
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil || n < 0 {
		return line
	}
	text := make([]byte, n+2)
	if _, err := io.ReadFull(c.R, text); err != nil {
		c.T.Fatalf("instead of a string: %v", err)
	}
	return string(text[:n])
}

// AskText sends an inline call and returns its reply, as Text does.
func (c *Client) AskText(call string) string {
	c.T.Helper()
	c.Send(call)
	return c.Text()
}

// Discard reads the next reply of any length, and returns only its first line.
func (c *Client) Discard() (first string) {
	c.T.Helper()
	for left := 1; left > 0; left-- {
		line, err := c.R.ReadSlice('\n')
		if err != nil || len(line) < 3 {
			c.T.Fatalf("instead of a reply: %q, %v", line, err)
		}
		if first == "" {
			first = string(line)
		}
		n, _ := strconv.Atoi(string(line[1 : len(line)-2]))
		switch line[0] {
		case '$', '=':
			if n >= 0 {
				_, err = c.R.Discard(n + 2)
			}
		case '*', '~', '>':
			left += max(n, 0)
		case '%':
			left += 2 * n
		}
		if err != nil {
			c.T.Fatalf("instead of a string: %v", err)
		}
	}
	return first
}

// RequireLines requires that these are the next lines of the protocol.
func (c *Client) RequireLines(lines ...string) {
	c.T.Helper()
	for _, want := range lines {
		if line, err := c.line(); err != nil || line != want {
			c.T.Fatalf("got %q (%v), not %q", line, err, want)
		}
	}
}

// AskLines sends inline calls and requires that these lines are the replies.
func (c *Client) AskLines(calls string, lines ...string) {
	c.T.Helper()
	c.Send(calls)
	c.RequireLines(lines...)
}

// RequireRest requires that the server sends exactly want and then closes the
// connection in order.
func (c *Client) RequireRest(want string) {
	c.T.Helper()
	if rest, err := io.ReadAll(c.R); err != nil || string(rest) != want {
		c.T.Fatalf("got %q (%v), not %q and the end", rest, err, want)
	}
}

// RequireClosed requires that the server closes the connection, in order or by
// a reset, without sending more.
func (c *Client) RequireClosed() {
	c.T.Helper()
	if err := c.SetReadDeadline(time.Now().Add(GiveUp)); err != nil {
		c.T.Fatal(err)
	}
	text, err := c.TryRead()
	if err == nil || os.IsTimeout(err) {
		c.T.Fatalf("got %q (%v), not the end", text, err)
	}
}

// ID returns the client's ID on the server.
func (c *Client) ID() string {
	c.T.Helper()
	return strings.TrimPrefix(c.Ask("CLIENT ID"), "(integer) ")
}

// aggregates are the marks after an element's number, and the text of an empty
// aggregate.
var aggregates = map[byte][2]string{
	'*': {")", "(empty array)"}, '%': {"#", "(empty hash)"}, '~': {"~", "(empty set)"}, '>': {">", "(empty push)"},
}

// print reads a reply and formats it.
func (c *Client) print(b *strings.Builder, indent string) error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if line == "" {
		return fmt.Errorf("an empty line is no reply")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', '(':
		b.WriteString(rest)
	case '-':
		b.WriteString("(error) " + rest)
	case ':':
		b.WriteString("(integer) " + rest)
	case ',':
		b.WriteString("(double) " + rest)
	case '#':
		b.WriteString(map[string]string{"t": "(true)", "f": "(false)"}[rest])
	case '_':
		b.WriteString("(nil)")
	case '$', '=', '*', '%', '~', '>':
		n, err := strconv.Atoi(rest)
		switch {
		case err != nil || n < -1:
			return fmt.Errorf("%q has no length", line)
		case n < 0:
			b.WriteString("(nil)")
		case kind == '$' || kind == '=':
			return c.printBulk(b, kind, n)
		default:
			return c.printElements(b, kind, n, indent)
		}
	default:
		return fmt.Errorf("%q is no reply", line)
	}
	return nil
}

func (c *Client) printBulk(b *strings.Builder, kind byte, n int) error {
	text := make([]byte, n+2)
	if _, err := io.ReadFull(c.R, text); err != nil {
		return err
	}
	if string(text[n:]) != "\r\n" || kind == '=' && n < 4 {
		return fmt.Errorf("a string of %d bytes ends with %q", n, text[n:])
	}
	if kind == '=' {
		b.Write(text[4:n]) // without the format prefix
	} else {
		quote(b, text[:n])
	}
	return nil
}

func (c *Client) printElements(b *strings.Builder, kind byte, n int, indent string) error {
	mark := aggregates[kind]
	if n == 0 {
		b.WriteString(mark[1])
	}
	width := len(strconv.Itoa(n))
	inner := indent + strings.Repeat(" ", width+2)
	for i := range n {
		if i > 0 {
			b.WriteString("\n" + indent)
		}
		fmt.Fprintf(b, "%*d%s ", width, i+1, mark[0])
		if err := c.print(b, inner); err != nil {
			return err
		}
		if kind == '%' {
			b.WriteString(" => ")
			if err := c.print(b, inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// quote formats a string as redis-cli does.
func quote(b *strings.Builder, text []byte) {
	b.WriteByte('"')
	for _, c := range text {
		switch i := strings.IndexByte("\\\"\n\r\t\a\b", c); {
		case i >= 0:
			b.WriteString(`\` + `\"nrtab`[i:i+1])
		case c < ' ' || c > '~':
			fmt.Fprintf(b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}
