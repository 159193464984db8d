package sheet

import (
	"context"
	"fmt"
	"os"
	"strings"

	"dropfs/convert"
)

// table gives its rows to a function, from the first on, each time that it is called. A row is valid until the function
// returns. It ends with the error of the function.
type table func(ctx context.Context, row func([]string) error) error

const maxText = 256 << 20 // bytes of a table in text

func checkSize(path, ext string) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at the table: %w", err)
	}
	if ext != "xlsx" && st.Size() > maxText {
		return fmt.Errorf("%w: %d bytes of %s, at most %d", convert.ErrTooLarge, st.Size(), ext, maxText)
	}
	return nil
}

// isNumber tells whether a cell is a number that JSON and a workbook can hold as it is written: no sign but a minus, no
// leading zeros, no exponent, at most fifteen digits.
func isNumber(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	whole, fraction, dotted := strings.Cut(digits, ".")
	if whole == "" || len(whole) > 1 && whole[0] == '0' || dotted && fraction == "" || len(whole)+len(fraction) > 15 {
		return false
	}
	return strings.Trim(whole+fraction, "0123456789") == ""
}

// harmless puts a quote before what a program would take for a formula (S1).
func harmless(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) || isNumber(cell) {
		return cell
	}
	return "'" + cell
}

// column is the name of a column: A, B, … Z, AA. It counts from 0.
func column(i int) string {
	var b []byte
	for i++; i > 0; i = (i - 1) / 26 {
		b = append([]byte{byte('A' + (i-1)%26)}, b...)
	}
	return string(b)
}
