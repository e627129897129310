package commands_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/internal/test/hashmodel"
)

// The events of commands that the real Redis here does not have, as those that
// do have them send them: behind the reply.
func TestEventsOfFieldsThatExpire(t *testing.T) {
	ours := listenHere(t)
	const hash = "HSET h a 1 b 2; HEXPIRE h 100 FIELDS 1 a"
	for calls, want := range map[string]string{
		"HEXPIRE h 50 FIELDS 2 a nofield":    "[1 -2] hexpire",
		"HEXPIRE h 50 NX FIELDS 2 a nofield": "[0 -2]",
		"HPEXPIREAT h 1 FIELDS 2 a nofield":  "[2 -2] hdel",
		"HEXPIREAT h 1 FIELDS 2 a b":         "[2 2] hdel del",
		"HPEXPIRE nokey 50 FIELDS 1 a":       "[-2]",
		"HPERSIST h FIELDS 2 a b":            "[1 -1] hpersist",
		"HPERSIST h FIELDS 1 b":              "[-1]",
		"HTTL h FIELDS 1 b":                  "[-1]",
		"HTTL nokey FIELDS 1 b":              "keymiss [-2]",
		"HGETDEL h FIELDS 2 a nofield":       "[1 (nil)] hdel",
		"HGETDEL h FIELDS 2 a b":             "[1 2] hdel del",
		"HGETDEL h FIELDS 1 nofield":         "[(nil)]",
		"HGETEX h FIELDS 1 a":                "[1]",
		"HGETEX h EX 50 FIELDS 2 a b":        "[1 2] hexpire",
		"HGETEX h PERSIST FIELDS 2 a b":      "[1 2] hpersist",
		"HGETEX h PERSIST FIELDS 1 b":        "[2]",
		"HGETEX h PXAT 1 FIELDS 1 a":         "[1] hdel",
		"HGETEX h EX 0 FIELDS 2 a b":         "[1 2] hdel del",
		"HSETEX h FIELDS 1 a 2":              "1 hset",
		"HSETEX h KEEPTTL FIELDS 1 a 2":      "1 hset",
		"HSETEX h EX 50 FIELDS 2 a 2 c 3":    "1 hset hexpire",
		"HSETEX h FNX FIELDS 1 a 2":          "0",
		"HSETEX h PXAT 1 FIELDS 1 a 2":       "1 hset hdel",
		"HSETEX h PXAT 1 FIELDS 2 a 1 b 2":   "1 hset hdel del",
		"HSETEX new EX 50 FIELDS 1 a 2":      "new 1 hset hexpire",
		"HSETEX new PXAT 1 FIELDS 1 a 2":     "new 1 hset hdel del",
		"HSET h a 2":                         "0 hset",
	} {
		sent, _ := ours(hash, calls)
		require.Equal(t, want, told(t, sent), calls)
	}
}

// told lists what a client was sent: replies, and events by their names.
func told(t *testing.T, sent string) string {
	t.Helper()
	var list []string
	for r := resp.NewReader(strings.NewReader(sent)); ; {
		v, err := r.Read()
		if err != nil {
			return strings.Join(list, " ")
		}
		if v.Type == resp.TypePush {
			list = append(list, strings.TrimPrefix(v.Elems[2].Str, "__keyevent@0__:"))
		} else {
			list = append(list, flat(v))
		}
	}
}

func flat(v resp.Value) string {
	switch {
	case v.Type == resp.TypeArray:
		texts := make([]string, len(v.Elems))
		for i, e := range v.Elems {
			texts[i] = flat(e)
		}
		return fmt.Sprint(texts)
	case v.IsNull():
		return "(nil)"
	}
	return v.Text()
}

// A field that Expire had no time for reads as absent and is gone before a write
// sees it. The order is that of the deadlines, and each step has its effect.
func TestFieldsThatNobodyHasExpiredYet(t *testing.T) {
	c := emptyServer(3)
	var effects []string
	c.Effects = func(unit []commands.Effect) {
		for _, e := range unit {
			effects = append(effects, string(slices.Concat(e.Words[0], []byte(" "), slices.Concat(e.Words[1:]...))))
		}
	}
	call := func(line string) string {
		mark := c.Len()
		perform(t, c, strings.Fields(line)...)
		return told(t, string(c.Bytes()[mark:]))
	}
	call("HSET h a 1 b 2 c 3 d 4")
	call("HSET g a 1 b 2")
	call("SET k v PX 2")
	call("HPEXPIRE h 1 FIELDS 1 c")
	call("HPEXPIRE h 3 FIELDS 2 a b")
	call("HPEXPIRE g 3 FIELDS 2 a b")
	effects = nil
	c.Now += 5
	require.False(t, c.Expire(1))
	require.Equal(t, []string{"HDEL hc"}, effects)

	require.Equal(t, "1", call("HLEN h"))
	require.Equal(t, "[d]", call("HKEYS h"))
	require.Equal(t, "(nil)", call("HGET h a"))
	require.Equal(t, "[-2 -2 -1]", call("HTTL h FIELDS 3 a b d"))
	require.Equal(t, "[d 4]", strings.ReplaceAll(call("HRANDFIELD h -1 WITHVALUES"), "[[d 4]]", "[d 4]"))
	require.Equal(t, "0", call("EXISTS g"))
	require.Equal(t, "[h]", call("KEYS *"))
	require.Equal(t, "none", call("TYPE g"))
	require.Equal(t, []string{"HDEL hc"}, effects, "reads change nothing")

	require.Equal(t, "1", call("HSETNX h a again"))
	require.Equal(t, []string{"HDEL hc", "HDEL hba", "HSETNX haagain"}, effects)
	require.Equal(t, "[-1]", call("HTTL h FIELDS 1 a"))
	require.Equal(t, "1", call("COPY h g"))
	require.Equal(t, []string{"DEL g", "COPY hg"}, effects[3:])
	require.False(t, c.Expire(0))
	require.True(t, c.Expire(1))
	require.Equal(t, []string{"DEL k"}, effects[5:])
	require.EqualValues(t, 5, c.Stats.ExpiredFields.Load())
	require.EqualValues(t, 1, c.Stats.Expired.Load())
}

// A change of one key by another connection must not leave a hash unsettled.
func TestRenameAndMoveSettleFieldsFirst(t *testing.T) {
	for _, line := range []string{"RENAME h g", "RENAMENX h g", "MOVE h 1", "COPY h g", "COPY h g DB 1"} {
		c := emptyServer(2)
		for i := range 600 {
			perform(t, c, "HSETEX", "h", "PX", "5", "FIELDS", "1", fmt.Sprint("f", i), "v")
		}
		perform(t, c, "HSET", "h", "stays", "v")
		c.Now += 10
		require.False(t, c.Expire(0))
		perform(t, c, strings.Fields(line)...)
		require.True(t, c.Expire(1), line)
		n := 0
		for _, db := range c.Databases {
			require.NoError(t, db.Check(), line)
			for key := range db.All() {
				_, ok := db.FieldDeadline([]byte(key))
				require.False(t, ok)
				n++
			}
		}
		require.Equal(t, 1+strings.Count(line, "COPY"), n)
	}
}

// What the model says holds too while more is due than there is time for; and a
// follower, whose clock stands still, gets the same data by the effects alone.
func TestExpiringHashesAgainstAModelWithABacklog(t *testing.T) {
	for seed := range uint64(24) {
		commands.SetMaxDueFields(t, []int{1000, 0, 3}[seed%3])
		c, follower := emptyServer(2+int(seed%2)), emptyServer(2)
		rng := rand.New(rand.NewPCG(seed, 1))
		c.Effects = func(unit []commands.Effect) {
			for _, e := range unit {
				words := make([]string, len(e.Words))
				for i, w := range e.Words {
					words[i] = string(w)
				}
				require.NoError(t, perform(t, follower, words...).Err, "%q", words)
			}
		}
		hashmodel.Run(t, hashmodel.Server{
			Ask: func(words ...string) resp.Value {
				if c.Expire(rng.IntN(3)); rng.IntN(30) == 0 {
					require.NoError(t, c.DB.Check())
				}
				mark := c.Len()
				perform(t, c, words...)
				v, err := resp.Parse(c.Bytes()[mark:])
				require.NoError(t, err)
				c.Truncate(mark)
				return v
			},
			Advance: func(ms int64) { c.Now += ms },
			Now:     c.Now,
		}, seed, 3000)
		c.Expire(1e9)
		require.Equal(t, contentsOf(c), contentsOf(follower))
		require.NoError(t, follower.DB.Check())
	}
}

// A call on a hash costs what it names, however many fields have expired that
// nobody has had the time to remove; all calls see those as gone.
func TestAChangeIsNotHeldUpByWhatHasExpired(t *testing.T) {
	const n = 20_000
	for _, test := range []struct{ line, reply, effects string }{
		{"HSET h f7 again", "1", "HDEL h f7|HSET h f7 again"},
		{"HSET h stays again", "0", "HSET h stays again"},
		{"HSETNX h f8 new", "1", "HDEL h f8|HSETNX h f8 new"},
		{"HINCRBY h f9 2", "2", "HDEL h f9|HINCRBY h f9 2"},
		{"HDEL h f7 f8 f9", "0", "HDEL h f7 f8 f9"},
		{"HDEL h stays", "1", "DEL h|HDEL h stays"},
		{"HPEXPIRE h 1000 FIELDS 1 f7", "[-2]", "HDEL h f7"},
		{"HGETDEL h FIELDS 1 stays", "[v]", "DEL h"},
		{"SET h text", "OK", "SET h text"},
		{"RENAME h g", "OK", "RENAME h g"},
		{"COPY h g", "1", "COPY h g"},
		{"MOVE h 1", "1", "MOVE h 1"},
		{"DEL h", "1", "DEL h"},
	} {
		c := emptyServer(2)
		fill := []string{"HSETEX", "h", "PX", "5", "FIELDS", fmt.Sprint(n)}
		for i := range n {
			fill = append(fill, fmt.Sprint("f", i), "v")
		}
		perform(t, c, fill...)
		perform(t, c, "HSET", "h", "stays", "v")
		c.Now += 10
		c.Expire(0)
		var effects []string
		c.Effects = func(unit []commands.Effect) {
			for _, e := range unit {
				if words := bytes.Join(e.Words, []byte(" ")); len(words) < 100 { // others are pieces of what has expired
					effects = append(effects, string(words))
				}
			}
		}
		mark := c.Len()
		perform(t, c, strings.Fields(test.line)...)
		require.Equal(t, test.reply, told(t, string(c.Bytes()[mark:])), test.line)
		require.Contains(t, strings.Join(effects, "|"), test.effects, test.line)
		gone := c.Stats.ExpiredFields.Load()
		if !strings.Contains(test.effects, "DEL h|") && test.line != "HGETDEL h FIELDS 1 stays" {
			require.LessOrEqual(t, gone, int64(1003), test.line)
		}
		for _, db := range c.Databases {
			require.NoError(t, db.Check(), test.line)
		}
		for steps := 0; !c.Expire(100); steps++ {
			require.Less(t, steps, 2*n/100, test.line)
		}
		for _, db := range c.Databases {
			require.NoError(t, db.Check(), test.line)
			for key := range db.All() {
				require.Zero(t, db.Volatile())
				_, ok := db.Next()
				require.False(t, ok, "%s: %s", test.line, key)
			}
		}
	}
}

// contentsOf lists all that hashes hold, with deadlines.
func contentsOf(c *commands.Context) (lines []string) {
	for key, v := range c.DB.All() {
		h := v.(*datastructs.Hash)
		at, _ := c.DB.Deadline([]byte(key))
		for f, value := range h.All() {
			fieldAt, _ := h.Deadline(f)
			lines = append(lines, fmt.Sprintf("%s %d %s=%s %d", key, at, f, value, fieldAt))
		}
	}
	slices.Sort(lines)
	return lines
}
