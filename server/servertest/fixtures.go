package servertest

import (
	"bytes"
	"os"
	"regexp"

	"github.com/parley-chat/parley/internal/test/transcript"
)

// Play runs a file of commands.
//
// If the file is a transcript, in the format of package transcript, clients
// make its calls in RESP2, and their replies must be those in the file:
//
//	> SADD online ada
//	(integer) 1
//	! advance 30s
//	> TTL session:ada
//	(integer) -2
//
// "! advance" moves the server's clock. Any other file is a list of commands
// for Load. Errors name the line. A wrong reply fails the test; an invalid file
// ends it.
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

// callLine matches the line of a call in a transcript.
var callLine = regexp.MustCompile(`(?m)^[a-z]?(~2|~|\?|@)?> `)
