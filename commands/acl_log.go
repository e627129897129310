package commands

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/parley-chat/parley/datastructs"
)

// A denialLog keeps the last calls that were refused for lack of permissions: ACL LOG. The
// zero value is ready.
type denialLog struct {
	mu      sync.Mutex  // guards entries: reads, which run side by side, are refused too
	entries []*aclEntry // the latest last
	bytes   atomic.Int64
}

type aclEntry struct {
	count   int
	lack    denial
	context string // where the call was
	object  string // what was asked for
	user    string
	time    int64  // Unix ms, of the last
	client  string // that client, as in CLIENT LIST
}

// Refusals that are alike and not far apart are one entry. Only the last ones
// are looked at.
const (
	aclMergeTime   = 60_000 // ms
	aclMergeWithin = 10     // entries
)

func (e *aclEntry) like(f *aclEntry) bool {
	return e.lack == f.lack && e.context == f.context && e.object == f.object && e.user == f.user &&
		max(e.time-f.time, f.time-e.time) <= aclMergeTime
}

// add enters a refusal and drops the oldest entries beyond a number of them.
func (s *denialLog) add(e *aclEntry, most int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.entries) - 1; i >= max(0, len(s.entries)-aclMergeWithin); i-- {
		if known := s.entries[i]; known.like(e) {
			e.count += known.count
			s.bytes.Add(e.bytes() - known.bytes())
			s.entries = append(slices.Delete(s.entries, i, i+1), e)
			return
		}
	}
	s.entries = append(s.entries, e)
	s.bytes.Add(e.bytes())
	if over := int64(len(s.entries)) - most; over > 0 {
		for _, gone := range s.entries[:over] {
			s.bytes.Add(-gone.bytes())
		}
		s.entries = slices.Delete(s.entries, 0, int(over))
	}
}

// last returns up to n entries, the latest first.
func (s *denialLog) last(n int) []*aclEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.entries[max(0, len(s.entries)-n):])
	slices.Reverse(list)
	return list
}

func (s *denialLog) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = nil
	s.bytes.Store(0)
}

// bytes is what an entry takes, with its place in the list.
func (e *aclEntry) bytes() int64 {
	const fixed = int64(unsafe.Sizeof(aclEntry{})) + 10
	return fixed + int64(datastructs.TextBytes(len(e.object))+datastructs.TextBytes(len(e.user))+datastructs.TextBytes(len(e.client)))
}

// logDenial enters what a user lacks, and for what.
func (c *Context) logDenial(lack denial, object, user string) {
	context := "toplevel"
	if c.Client.Multi != nil {
		context = "multi"
	}
	client := bytes.TrimSuffix(appendClient(c, nil, c.Client), []byte("\n"))
	c.denials.add(&aclEntry{
		count: 1, lack: lack, context: context, object: cutForLog(object), user: cutForLog(user), time: c.Now,
		client: cutForLog(string(client)),
	}, c.Config.ACLLogMaxLen)
}

// maxLogged is how many bytes of a text an entry keeps. Whoever is refused says
// what, and so could fill the memory with a few calls.
const maxLogged = 4096

// cutForLog copies what it keeps, so that the rest is not kept with it.
func cutForLog(text string) string {
	if len(text) <= maxLogged {
		return text
	}
	return fmt.Sprintf("%s... (%d more bytes)", text[:maxLogged], len(text)-maxLogged)
}

var denialNames = [...]string{deniedCommand: "command", deniedKey: "key", deniedAuth: "auth", deniedChannel: "channel"}
