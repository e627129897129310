package servertest

import (
	"bytes"
	"os"
	"regexp"

	"github.com/parley-chat/parley/internal/test/transcript"
)

// Play runs a file of commands.
//
// If it is a conversation, in the form that package transcript describes, its calls are
// made by clients, in RESP2, and the replies must be those in the file:
//
//	> SADD online ada
//	(integer) 1
//	! advance 30s
//	> TTL session:ada
//	(integer) -2
//
// "! advance" moves the server's clock. Any other file is a list of commands for Load.
// What is wrong is told with the line; a reply that is another fails the test, what
// cannot be read ends it.
func (s *Server) Play(path string) {
	s.t.Helper()
	text, err := os.ReadFile(path)
	s.must(err)
	if !callLine.Match(text) {
		s.Load(string(text))
		return
	}
	f, err := transcript.Parse(bytes.NewReader(text))
	s.must(err)
	f.Name = path
	f.Play(s.t, transcript.Target{Dial: s.Dial, Advance: s.Advance}, 2)
}

// spoken finds the line of a call.
var callLine = regexp.MustCompile(`(?m)^[a-z]?(~2|~|\?|@)?> `)
