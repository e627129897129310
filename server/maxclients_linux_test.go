package server_test

import (
	"fmt"
	"log/slog"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// No system lets a process open as many files as are asked for here: maxclients
// is what remains of those that it may open, and CONFIG SET holds to that.
func TestMaxclientsFitTheLimitOfOpenFiles(t *testing.T) {
	const most = "2147483000" // an int everywhere
	log := newBareLog()
	s, err := server.Start(server.Options{Logger: slog.New(log), Config: map[string]string{"maxclients": most}})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	fitting := limit.Cur - 32
	get := func() string { return do(t, s, "CONFIG", "GET", "maxclients") }
	require.Equal(t, fmt.Sprintf("1# \"maxclients\" => \"%d\"", fitting), get())
	require.Contains(t, *log.lines, fmt.Sprintf("WARN maxclients lowered: limit of open files asked=%s maxclients=%d", most, fitting))

	_, err = s.Do(t.Context(), "CONFIG", "SET", "maxclients", most)
	require.EqualError(t, err, fmt.Sprintf("ERR CONFIG SET failed (possibly related to argument 'maxclients') - "+
		"The operating system is not able to handle the specified number of clients, try with %d", fitting))
	require.Equal(t, fmt.Sprintf("1# \"maxclients\" => \"%d\"", fitting), get())
	require.Equal(t, "OK", do(t, s, "CONFIG", "SET", "maxclients", fmt.Sprint(fitting)))

	// Without a network there are no files to open.
	inMemory := newServer(t, server.Options{Config: map[string]string{"maxclients": most}})
	require.Contains(t, do(t, inMemory, "CONFIG", "GET", "maxclients"), most)
}
