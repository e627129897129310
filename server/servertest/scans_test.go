package servertest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

func adversarial(o *servertest.Options) { o.Seed, o.AdversarialScans = 1, true }

// A program that scans must accept empty pages and duplicate elements. With
// adversarial scans both occur in each test, and are the same for the same
// seed.
func TestProgramStandsWhatScansMayDo(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, adversarial)
	for n := range 300 {
		_, err := s.Do(t.Context(), "SADD", "room:1:members", fmt.Sprint("user:", n))
		require.NoError(t, err)
	}
	members, empty, again := make(map[string]bool), 0, 0
	cursor := "0"
	for more := true; more; more = cursor != "0" {
		v, err := s.Do(t.Context(), "SSCAN", "room:1:members", cursor)
		require.NoError(t, err)
		cursor = v.Elems[0].Str
		if len(v.Elems[1].Elems) == 0 {
			empty++
		}
		for _, m := range v.Elems[1].Strings() {
			if members[m] {
				again++
			}
			members[m] = true
		}
	}
	require.Len(t, members, 300)
	require.Positive(t, empty)
	require.Positive(t, again)
}

// Each scan ends, within four times the usual number of pages, and returns all
// elements that exist from its start to its end, though others come and go.
func TestAdversarialScansKeepTheirPromise(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 9, 700} {
		for _, count := range []int{1, 10, 1000} {
			t.Run(fmt.Sprint(size, " elements, COUNT ", count), func(t *testing.T) {
				t.Parallel()
				s := servertest.New(t, adversarial)
				do := func(words ...any) []string {
					v, err := s.Do(t.Context(), words...)
					require.NoError(t, err)
					if len(v.Elems) < 2 {
						return nil
					}
					return append([]string{v.Elems[0].Str}, v.Elems[1].Strings()...)
				}
				for n := range size {
					do("SADD", "set", fmt.Sprint("m", n))
					do("ZADD", "zset", n, fmt.Sprint("m", n))
					do("HSET", "hash", fmt.Sprint("m", n), "v")
					do("SET", fmt.Sprint("m", n), "v")
				}
				for _, scan := range [][]any{{"SCAN"}, {"SSCAN", "set"}, {"HSCAN", "hash"}, {"ZSCAN", "zset"}} {
					found, cursor, pages := make(map[string]bool), "0", 0
					for more := true; more; more = cursor != "0" {
						words := append(append([]any{}, scan...), cursor, "MATCH", "m*", "COUNT", count)
						page := do(words...)
						cursor = page[0]
						for _, m := range page[1:] {
							found[m] = true
						}
						pages++
						do("SADD", "set", fmt.Sprint("x", pages))
						do("SREM", "set", fmt.Sprint("x", pages-1))
						do("SET", fmt.Sprint("x", pages), "v")
						do("DEL", fmt.Sprint("x", pages-1))
						require.LessOrEqual(t, pages, 4*(size/count+3), scan)
					}
					for n := range size {
						require.True(t, found[fmt.Sprint("m", n)], "%v: m%d did not come", scan, n)
					}
				}
			})
		}
	}
}
