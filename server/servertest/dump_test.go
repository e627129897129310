package servertest_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

func TestDumpIsTheCommandsThatMakeTheData(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, standing)
	db := s.DB(0)
	require.Empty(t, s.Dump())
	db.HSet("user:1", "name", "Ada", "about", "likes \"quotes\"\n", "ort", "Köln")
	db.Do("HPEXPIRE", "user:1", "5000", "FIELDS", "1", "name")
	db.Set("greeting", "hello all")
	db.Set("emoji", "schön 👋 da")
	db.Set("bytes \x00\xff", "")
	db.Expire("greeting", 30*time.Second)
	db.SAdd("#online", "bob", "ada")
	s.DB(9).ZAdd("seen", servertest.Member{Member: "bob", Score: 1e21}, servertest.Member{Member: "ada", Score: 1.0 / 3},
		servertest.Member{Member: "c", Score: math.Inf(1)}, servertest.Member{Member: "b", Score: math.Copysign(0, -1)}, servertest.Member{Member: "a", Score: 0})
	s.DB(9).Do("PEXPIREAT", "seen", "1700000000001")
	want := strings.ReplaceAll(`
SADD #online ada
SADD #online bob
SET "bytes \x00\xff" ""
SET emoji "schön 👋 da"
SET greeting "hello all"
PEXPIRE greeting 30000
HSET user:1 about "likes \"quotes\"\n"
HSET user:1 name Ada
HSET user:1 ort Köln
HPEXPIRE user:1 5000 FIELDS 1 name
SELECT 9
ZADD seen 0 a
ZADD seen 0 b
ZADD seen 0.3333333333333333 ada
ZADD seen 1e+21 bob
ZADD seen inf c
PEXPIRE seen 1
`[1:], "\r", "")
	require.Equal(t, want, s.Dump())
}
