package oracle

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/servertest"
	"github.com/parley-chat/parley/server/servertest/redistest"
)

// Redis starts one that looks at its blocked clients every 2 ms, not every 100.
func Redis(t testing.TB) Side {
	return Side{Name: "redis", Dial: redistest.Start(t, "--hz", "500").Dial}
}

// Parley starts one without its extensions.
func Parley(t testing.TB) Side {
	s, err := server.New(server.Options{Strict: true})
	require.NoError(t, err)
	servertest.CloseAtEnd(t, s)
	return Side{Name: "parley", Dial: s.Dial}
}
