// Package sheet is the engine for tables: the sheets of a workbook as csv, tsv, json, Markdown or HTML, and tables in text
// as each other and as a workbook.
//
//	Run ─ source (xlsx | csv | tsv | json) ── row by row ──▶ sink (csv | tsv | json | md | html | xlsx)
//	List ─ the names of the sheets
//
// A cell is text, as its workbook shows it. In json and in a workbook a cell that reads like a number is one; a number is
// what JSON can say in fifteen digits, so that 007 and a telephone number stay text. A json table is a list of objects, the
// first row its keys; read, it may be a list of lists as well.
//
// Invariants:
//
//	S1: no cell becomes a formula: a workbook gets text and numbers, and with the option safe a csv gets no cell that a
//	    program would take for one.
//	S2: from csv, tsv and json to each other and back no cell below the first row changes.
//	S3: a workbook is unpacked only as far as the limits go, and none is asked for more parts than maxParts.
//	S4: the names of members are local, without slashes, and differ.
//	S5: a cancelled run ends at its next row, read or write; what a library does meanwhile is abandoned.
package sheet
