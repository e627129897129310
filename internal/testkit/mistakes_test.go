package testkit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
)

// Mistakes in a test are errors, not panics or plausible results.
func TestMistakesOfTestsAreErrors(t *testing.T) {
	t.Parallel()
	r, err := testkit.New(server.Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, r)
	var none *testkit.Snapshot
	none.Release()
	require.ErrorContains(t, r.Restore(none), "snapshot is nil")
	_, err = r.Diff(none, r.Snapshot())
	require.ErrorContains(t, err, "snapshot is nil")
	_, err = r.Calls().Of(`SET "k`)
	require.ErrorContains(t, err, `not a call: "SET \"k"`)
}
