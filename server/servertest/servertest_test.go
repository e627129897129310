package servertest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server/servertest"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestServerAnswers(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	v, err := s.Do(t.Context(), "PING")
	require.NoError(t, err)
	require.Equal(t, "PONG", v.Str)
}
