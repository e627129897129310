package commands

import "strings"

// A mark is a value to draw, with a label for below.
type mark struct {
	value int64
	label string
}

const (
	graphColumns = 80
	graphRows    = 4
	graphChars   = "_o#" // a third, two thirds and the whole of a row
)

// sparkline draws values as columns of characters, in as many strips as they
// need, each with its labels, written downwards, below.
func sparkline(marks []mark) string {
	low, high := marks[0].value, marks[0].value
	for _, m := range marks {
		low, high = min(low, m.value), max(high, m.value)
	}
	var b strings.Builder
	for len(marks) > 0 {
		strip := marks[:min(len(marks), graphColumns)]
		marks = marks[len(strip):]
		drawStrip(&b, strip, low, high)
		if len(marks) > 0 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func drawStrip(b *strings.Builder, strip []mark, low, high int64) {
	line := func(char func(mark) byte) {
		for _, m := range strip {
			b.WriteByte(char(m))
		}
		b.WriteByte('\n')
	}
	for row := graphRows - 1; row >= 0; row-- {
		line(func(m mark) byte {
			switch in := height(m.value, low, high) - row*len(graphChars); {
			case in < 0:
				return ' '
			case in < len(graphChars):
				return graphChars[in]
			default:
				return '|'
			}
		})
	}
	line(func(mark) byte { return ' ' })
	longest := 0
	for _, m := range strip {
		longest = max(longest, len(m.label))
	}
	for i := range longest {
		line(func(m mark) byte {
			if i < len(m.label) {
				return m.label[i]
			}
			return ' '
		})
	}
}

// height is how far up a value reaches, in parts of rows.
func height(value, low, high int64) int {
	const most = graphRows * len(graphChars)
	if high == low {
		return 0
	}
	return min(most-1, int(float64(most)*float64(value-low)/float64(high-low)))
}
