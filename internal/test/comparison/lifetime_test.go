package comparison

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
)

const lifetimes = 50 // of each rival, in a round

// The time of a server that lives as long as a test: it is started, dialled,
// replies to PING, and is closed with the checks of its cleanup.
func TestLifetime(t *testing.T) {
	took := make([][]time.Duration, len(rivals))
	for range lifetimes * *rounds {
		for i, c := range rivals {
			took[i] = append(took[i], lifetime(t, c))
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| server | start to first reply and close: median | 90th percentile |\n|---|---|---|\n")
	for i, c := range rivals {
		slices.Sort(took[i])
		n := len(took[i])
		fmt.Fprintf(&table, "| %s | %v | %v |\n", c.name, took[i][n/2].Round(time.Microsecond), took[i][n*9/10].Round(time.Microsecond))
	}
	t.Logf("%d servers each, which took turns\n%s", lifetimes**rounds, table.String())
}

func lifetime(t testing.TB, c rival) time.Duration {
	begun := time.Now()
	test := &harness.Short{TB: t}
	conn, err := c.start(test)()
	require.NoError(t, err)
	_, err = io.WriteString(conn, "*1\r\n$4\r\nPING\r\n")
	require.NoError(t, err)
	var reply [7]byte
	_, err = io.ReadFull(conn, reply[:])
	require.NoError(t, err)
	require.Equal(t, "+PONG\r\n", string(reply[:]))
	require.NoError(t, conn.Close())
	test.End()
	return time.Since(begun)
}
