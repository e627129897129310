package datastructs

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMapHoldsWhatWasAdded(t *testing.T) {
	var m Map[int]
	_, ok := m.Get([]byte("a"))
	require.False(t, ok)
	require.False(t, m.Delete("a"))
	require.Zero(t, m.Bytes())
	for i := range 1000 {
		require.Equal(t, fmt.Sprint(i), m.Add(fmt.Append(nil, i), i))
	}
	for i := range 500 {
		require.True(t, m.Delete(fmt.Sprint(i)))
	}
	require.Equal(t, 500, m.Len())
	sum := 0
	for name, i := range m.All() {
		require.Equal(t, fmt.Sprint(i), name)
		sum += i
	}
	require.Equal(t, (500+999)*250, sum)
	v, ok := m.Get([]byte("999"))
	require.True(t, ok)
	require.Equal(t, 999, v)
}

func TestMapGivesMemoryBack(t *testing.T) {
	var m Map[*int]
	for i := range 100_000 {
		m.Add(fmt.Append(nil, i), nil)
	}
	full := m.Bytes()
	for i := range 100_000 - 10 {
		m.Delete(fmt.Sprint(i))
	}
	require.Less(t, m.Bytes(), full/50)
}
