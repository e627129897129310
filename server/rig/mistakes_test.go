package rig_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/rig"
	"github.com/parley-chat/parley/server/servertest/harness"
)

// What a test has got wrong is an error, and not a panic or an answer that looks right.
func TestMistakesOfTestsAreErrors(t *testing.T) {
	t.Parallel()
	r, err := rig.New(server.Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, r)
	var none *rig.Snapshot
	none.Release()
	require.ErrorContains(t, r.Restore(none), "no snapshot")
	_, err = r.Diff(none, r.Snapshot())
	require.ErrorContains(t, err, "no snapshot")
	_, err = r.Calls().Of(`SET "k`)
	require.ErrorContains(t, err, `not a call: "SET \"k"`)
}
