package oracle

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/server"
)

// Redis starts one that looks at its blocked clients every 2 ms, not every 100.
func Redis(t testing.TB) Side {
	return RedisWith(t)
}

// RedisWith starts one with arguments.
func RedisWith(t testing.TB, args ...string) Side {
	return Side{Name: "redis", Dial: redistest.Start(t, append([]string{"--hz", "500"}, args...)...).Dial}
}

// Parley starts one without its extensions.
func Parley(t testing.TB) Side {
	return ParleyWith(t, nil)
}

// ParleyWith starts one with parameters of CONFIG.
func ParleyWith(t testing.TB, config map[string]string) Side {
	s, err := server.New(server.Options{Strict: true, Config: config})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	return Side{Name: "parley", Dial: s.Dial}
}
