package commands_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/test/transcript"
	"github.com/parley-chat/parley/server"
)

// withFile starts a server whose users are in a file.
type withFile func(t *testing.T, path string) transcript.Target

func parleyWithFile(t *testing.T, path string) transcript.Target {
	s, err := server.New(server.Options{ACLFile: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return transcript.Target{Dial: s.Dial}
}

func redisWithFile(t *testing.T, path string) transcript.Target {
	return transcript.Target{Dial: redistest.Start(t, "--aclfile", path).Dial}
}

const someUsers = "user ann on >one ~a* &* +@all\nuser default on nopass ~* &* +@all\n"

// LOAD takes all of a file or nothing, and complains in Redis's words.
func TestACLLoadIsThatOfRedis(t *testing.T) {
	redistest.Need(t)
	path := filepath.Join(t.TempDir(), "users.acl")
	load := func(start withFile) (replies []string) {
		writeFile(t, path, someUsers)
		l := (&talked{t, start(t, path), 2}).dial()
		for _, text := range []string{
			someUsers, "", "\n \n\t\r\n", "  user bob on\r\n", "user bob  on  ", "user bob on ~x\n\n\nuser eve &y",
			"user bob on >x\nuser bob on >y\n", "user default on nopass +@all\nuser default off",
			"foo\n", "user\n", "user \n", "# comment\n", "USER bob on\n", "user bob\nuser b\tc on\nuser d\n",
			"user bob on +nosuch ~x foo\nuser c bar\n", "user bob on foo bar +nosuch baz +nosuch2 -@nosuch allkeys ~x\n",
			"user bob #12 !34 <x >y\n", "user bob on\tnopass\n", "user bob on nopass\t\n", "user bob on \"~x y\"\n",
			"user bob (+get ~x &y)\n", "user bob (+get ~x  %R~y )\n", "user bob (+nosuch)\n", "user bob (foo) (bar)\n", "user bob (on\tx)\n",
			"user bob +@all -@admin (~x) sanitize-payload\nuser default on >p ~* +@all &*\n", someUsers,
		} {
			writeFile(t, path, text)
			replies = append(replies, l.ask("ACL", "LOAD").String(), l.ask("ACL", "LIST").String())
		}
		require.NoError(t, os.Remove(path))
		return append(replies, l.ask("ACL", "LOAD").String(), l.ask("ACL", "USERS").String(), l.ask("ACL", "LOAD", "x").String())
	}
	require.Equal(t, load(redisWithFile), load(parleyWithFile))
}

// A selector that is not closed ends Redis, and a NUL makes it take two lines for
// one.
func TestACLLoadRefusesWhatRedisDoesNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.acl")
	writeFile(t, path, someUsers)
	l := (&talked{t, parleyWithFile(t, path), 2}).dial()
	writeFile(t, path, "user bob (+get ~x\n")
	require.Equal(t, "ERR "+path+":1: Unmatched parenthesis in selector definition."+
		"WARNING: ACL errors detected, no change to the previously active ACL rules was performed", l.ask("ACL", "LOAD").Text())
	writeFile(t, path, "user bo\x00b on\nuser eve\n")
	require.Contains(t, l.ask("ACL", "LOAD").Text(), "username 'bo\x00b' contains invalid characters.")
	require.Equal(t, []string{"ann", "default"}, l.ask("ACL", "USERS").Strings())
}

// What SAVE writes LOAD reads, and both servers write the same.
func TestACLSaveIsThatOfRedis(t *testing.T) {
	redistest.Need(t)
	save := func(start withFile) (told []string) {
		path := filepath.Join(t.TempDir(), "users.acl")
		writeFile(t, path, someUsers)
		l := (&talked{t, start(t, path), 3}).dial()
		for _, words := range [][]string{
			{"ACL", "SETUSER", "bob", "on", ">x", ">y", "~a", "%R~b", "%W~c", "&d", "+@read", "-get", "+client|id", "+select|0"},
			{"ACL", "SETUSER", "bob", "(+@all", "-@admin", "~*)", "(resetchannels", "&e)"},
			{"ACL", "SETUSER", "eve", "nopass", "skip-sanitize-payload", "allcommands", "allkeys"},
			{"ACL", "SETUSER", "eve", "-eval"},
			{"ACL", "DELUSER", "ann"}, {"ACL", "SETUSER", "default", ">p"}, {"ACL", "SAVE"},
		} {
			told = append(told, l.ask(words...).String())
		}
		before := l.ask("ACL", "LIST").Strings()
		told = append(told, l.ask("ACL", "LOAD").String())
		require.Equal(t, before, l.ask("ACL", "LIST").Strings())
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return append(told, sortWords(string(text)))
	}
	require.Equal(t, save(redisWithFile), save(parleyWithFile))
}

// All connections but the default user's are closed by LOAD, the caller's own
// once it is answered.
func TestACLLoadClosesConnections(t *testing.T) {
	redistest.Need(t)
	for _, start := range []withFile{redisWithFile, parleyWithFile} {
		path := filepath.Join(t.TempDir(), "users.acl")
		writeFile(t, path, someUsers)
		s := &talked{t, start(t, path), 2}
		a, b, c := s.dial(), s.dial(), s.dial()
		for _, l := range []*line{a, b} {
			require.Equal(t, "OK", l.ask("AUTH", "ann", "one").Text())
		}
		b.ask("SUBSCRIBE", "news")
		require.Equal(t, "OK", a.ask("ACL", "LOAD").Text())
		a.requireClosed()
		b.requireClosed()
		require.Equal(t, "default", c.ask("ACL", "WHOAMI").Text())
	}
}

func TestServerStartsWithUsersOfFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.acl")
	start := func(o server.Options) error {
		o.ACLFile = path
		s, err := server.New(o)
		if err == nil {
			require.NoError(t, s.Close())
		}
		return err
	}
	require.ErrorContains(t, start(server.Options{}), "opening file '"+path+"': No such file or directory")
	writeFile(t, path, "user bob +nosuch\n")
	require.ErrorContains(t, start(server.Options{}), path+":1: Error in applying operation '+nosuch'")
	writeFile(t, path, someUsers)
	require.NoError(t, start(server.Options{}))
	require.ErrorContains(t, start(server.Options{Password: "x"}), "exclude each other")
	require.ErrorContains(t, start(server.Options{Config: map[string]string{"requirepass": "x"}}), "exclude each other")
}

// After a failure the file is as it was, and nothing lies beside it.
func TestACLSaveFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "users.acl")
	writeFile(t, path, someUsers)
	l := (&talked{t, parleyWithFile(t, path), 2}).dial()
	require.Equal(t, "OK", l.ask("ACL", "SAVE").Text())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, os.Rename(dir, dir+"b"))
	require.Equal(t, "ERR There was an error trying to save the ACLs. Please check the server logs for more information", l.ask("ACL", "SAVE").Text())
	require.NoError(t, os.Rename(dir+"b", dir))
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700)) // nothing can be renamed to that
	require.Equal(t, resp.TypeError, l.ask("ACL", "SAVE").Type)
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func writeFile(t *testing.T, path, text string) {
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
