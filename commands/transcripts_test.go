package commands_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/test/transcript"
	"github.com/parley-chat/parley/server"
)

var record = flag.Bool("record", false, "write the replies of a real redis-server into testdata/*.txt")

// Parley says what the transcripts say.
func TestTranscripts(t *testing.T) {
	eachTranscript(t, func(t *testing.T, f *transcript.File) {
		inBothProtocols(t, func(t *testing.T, protocol int) { f.Play(t, parley(t), protocol) })
	})
}

// And so does the real Redis: nobody has written a reply by hand, but for what
// that Redis does not know yet, which it is not asked. Its clock goes on by itself, so
// that on a busy machine a key may expire before the next call asks for it: a file in
// which time passes has ten tries. Half of the files are played in RESP2 and half in
// RESP3; with PARLEY_FULL=1 all in both.
func TestTranscriptsAreRedis(t *testing.T) {
	redistest.Need(t)
	eachTranscript(t, func(t *testing.T, f *transcript.File) {
		once := 2 + len(f.Name)%2
		inBothProtocols(t, func(t *testing.T, protocol int) {
			if harness.Count(1, 2) == 1 && protocol != once {
				t.Skip("with PARLEY_FULL=1 only")
			}
			differences := f.Differences(redis(t), protocol)
			for try := 1; try < 10 && len(differences) > 0 && timePasses(f); try++ {
				differences = f.Differences(redis(t), protocol)
			}
			require.Empty(t, differences)
		})
	})
}

func timePasses(f *transcript.File) bool {
	return slices.ContainsFunc(f.Steps(), func(s transcript.Step) bool { return s.Pause > 0 })
}

// With -record it writes the transcripts.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("not asked to, with -record")
	}
	eachTranscript(t, func(t *testing.T, f *transcript.File) {
		require.NoError(t, f.Record(redis(t), redis(t)))
		var text bytes.Buffer
		_, err := f.WriteTo(&text)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(f.Name, text.Bytes(), 0o666))
	})
}

// A transcript is in the one form that recording gives it.
func TestTranscriptsAreFormatted(t *testing.T) {
	eachTranscript(t, func(t *testing.T, f *transcript.File) {
		want, err := os.ReadFile(f.Name)
		require.NoError(t, err)
		var text bytes.Buffer
		_, err = f.WriteTo(&text)
		require.NoError(t, err)
		require.Equal(t, string(want), text.String())
	})
}

// What no real Redis here can be asked says so, before anything else.
func TestTranscriptsNotRecordedSaySo(t *testing.T) {
	for _, name := range transcripts(t) {
		row := commands.Standard().Named([]byte(rowOf(name)))
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		if first, rest, _ := strings.Cut(string(text), "\n"); transcript.Older(redistest.Version, row.Since) {
			require.Contains(t, first, "# Not recorded", name)
			require.True(t, strings.HasPrefix(rest, "! since "+strings.TrimSuffix(row.Since, ".0")), name)
		}
	}
}

// Each row that runs has a call in some transcript, and each transcript is
// named after a row.
func TestEveryCommandHasATranscript(t *testing.T) {
	table := commands.Standard()
	called := make(map[*commands.Command]bool)
	for _, name := range transcripts(t) {
		require.NotNil(t, table.Named([]byte(rowOf(name))), "%s is named after no command", name)
		for _, step := range load(t, name).Steps() {
			if len(step.Words) == 0 {
				continue
			}
			if m, err := table.Find(bytesOf(step.Words)); err == nil {
				called[m] = true
			}
		}
	}
	var check func(rows []*commands.Command)
	check = func(rows []*commands.Command) {
		for _, m := range rows {
			if m.Run != nil && !called[m] {
				t.Errorf("%s is called in no transcript", m.FullName())
			}
			check(m.Children())
		}
	}
	check(table.Rows())
}

func transcripts(t *testing.T) []string {
	names, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	return names
}

// rowOf is the command that a file is about: client-tracking.txt is about one
// that stands below another.
func rowOf(name string) string { return strings.Replace(fileOf(name), "-", "|", 1) }

func fileOf(name string) string { return strings.TrimSuffix(filepath.Base(name), ".txt") }

func load(t *testing.T, name string) *transcript.File {
	text, err := os.Open(name)
	require.NoError(t, err)
	defer text.Close()
	f, err := transcript.Parse(text)
	require.NoError(t, err, name)
	f.Name = name
	return f
}

func bytesOf(words []string) [][]byte {
	list := make([][]byte, len(words))
	for i, w := range words {
		list[i] = []byte(w)
	}
	return list
}

func eachTranscript(t *testing.T, f func(*testing.T, *transcript.File)) {
	for _, name := range transcripts(t) {
		t.Run(fileOf(name), func(t *testing.T) {
			t.Parallel()
			f(t, load(t, name))
		})
	}
}

func inBothProtocols(t *testing.T, f func(t *testing.T, protocol int)) {
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) {
			t.Parallel()
			f(t, protocol)
		})
	}
}

// parley is a fresh server of ours. It says it is a Redis of the version that
// the transcripts were recorded from, but knows some commands of later ones.
func parley(t *testing.T) transcript.Target {
	clock := server.NewManualClock(time.Now())
	s, err := server.New(server.Options{Strict: true, Clock: clock, Debug: "yes"})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	return transcript.Target{Dial: s.Dial, Advance: clock.Advance}
}

// redis is a fresh redis-server. It looks for what is due each 2 ms.
func redis(t *testing.T) transcript.Target {
	r := redistest.Start(t, "--hz", "500", "--enable-debug-command", "yes")
	return transcript.Target{
		Dial:    r.Dial,
		Advance: func(d time.Duration) { time.Sleep(d + 20*time.Millisecond) },
		Version: redistest.Version,
	}
}
