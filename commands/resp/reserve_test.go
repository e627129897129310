package resp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is reserved is written without another allocation, behind what there was.
func TestReserve(t *testing.T) {
	var w Writer
	w.OK()
	w.Reserve(1 << 20)
	room := cap(w.Bytes())
	w.Raw(make([]byte, 1<<20))
	require.Equal(t, room, cap(w.Bytes()))
	require.Equal(t, "+OK\r\n", string(w.Bytes()[:5]))

	w.Reserve(MaxReply) // more than a reply may hold
	require.Equal(t, room, cap(w.Bytes()))
}
