package oracle

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

func TestExceptionsAreOfRowsThatExist(t *testing.T) {
	table := commands.Standard()
	for name := range exceptions {
		if !strings.HasPrefix(name, "|") {
			require.NotNil(t, table.Named([]byte(name)), name)
		}
	}
}
