package server

import (
	"log/slog"
	"slices"

	"github.com/parley-chat/parley/commands"
)

// logLevels are the slog levels of commands.LogLevels.
var logLevels = [...]slog.Level{slog.LevelDebug - 4, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn}

// ParseLogLevel returns the slog level for redis-server's name of a level:
// debug, verbose, notice or warning.
func ParseLogLevel(name string) (slog.Level, bool) {
	i := slices.Index(commands.LogLevels, name)
	if i < 0 {
		return 0, false
	}
	return logLevels[i], true
}

func levelName(level slog.Level) string {
	for i, l := range logLevels {
		if level <= l {
			return commands.LogLevels[i]
		}
	}
	return commands.LogLevels[len(logLevels)-1]
}
