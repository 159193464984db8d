package d3

import (
	"context"
	"encoding/base64"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"dropfs/convert/magic"
)

// What the tools take. A field is optional where it is omitted when empty; nothing else is taken (T6).
type (
	initiateIn struct {
		Name  string `json:"file_name" jsonschema:"name of the file, with its extension, by which its format is known"`
		Size  int64  `json:"size" jsonschema:"bytes of the whole file"`
		Type  string `json:"mime_type,omitempty" jsonschema:"media type, such as application/pdf"`
		Parts int    `json:"parts,omitempty" jsonschema:"number of parts, 1 if absent; each has a URL of its own"`
	}
	partIn struct {
		ETag string `json:"etag" jsonschema:"the ETag header that the PUT of the part answered, with or without quotes"`
		N    int    `json:"part_number" jsonschema:"1 for the first URL, and so on"`
	}
	completeIn struct {
		File   string   `json:"file_key" jsonschema:"from initiate_upload"`
		Upload string   `json:"upload_id,omitempty" jsonschema:"from initiate_upload"`
		Object string   `json:"object_name,omitempty" jsonschema:"from initiate_upload"`
		Parts  []partIn `json:"parts,omitempty" jsonschema:"the parts that were sent; they are compared with what has arrived"`
	}
	contentIn struct {
		Name   string `json:"file_name" jsonschema:"name of the file, with its extension, by which its format is known"`
		Type   string `json:"mime_type,omitempty" jsonschema:"media type, such as text/plain"`
		Text   string `json:"text,omitempty" jsonschema:"the content, where it is text; not together with base64"`
		Base64 string `json:"base64,omitempty" jsonschema:"the content in standard base64, where it is not text"`
	}
	supportedIn struct {
		Ext        string         `json:"ext" jsonschema:"extension of the file, such as pdf"`
		Action     string         `json:"action,omitempty" jsonschema:"such as convert or compress; absent: which of them are possible"`
		Parameters map[string]any `json:"parameters,omitempty" jsonschema:"parameters of the action, such as convert_to; absent: which there are"`
	}
	filesIn struct {
		Files []string          `json:"file_keys" jsonschema:"keys of completed uploads, or of results of other operations"`
		Notes map[string]string `json:"notes,omitempty" jsonschema:"kept with the operation and told by poll_status"`
	}
	convertIn struct {
		filesIn
		To      string         `json:"convert_to" jsonschema:"extension of the format that each file is converted to, such as png"`
		Options map[string]any `json:"options,omitempty" jsonschema:"such as page or dpi, as supported_operation tells them for the format"`
	}
	compressIn struct {
		filesIn
		Level   string         `json:"compression_value,omitempty" jsonschema:"recommended (a balance, if absent), high (the smallest file) or low (the best quality)"`
		Options map[string]any `json:"options,omitempty" jsonschema:"as supported_operation tells them"`
	}
	optionsIn struct {
		filesIn
		Options map[string]any `json:"options,omitempty" jsonschema:"such as lang or format, as supported_operation tells them for the format"`
	}
	passwordIn struct {
		filesIn
		Password string `json:"password" jsonschema:"the password that the PDF gets, or has"`
	}
	resetIn struct {
		filesIn
		Old string `json:"old_password" jsonschema:"the password that the PDF has"`
		New string `json:"new_password" jsonschema:"the password that it gets"`
	}
	statusIn struct {
		Main string `json:"main_task_id" jsonschema:"what the operation answered"`
		File string `json:"file_key,omitempty" jsonschema:"only what is about this file"`
	}
)

// storedJSON is the answer of upload_content.
type storedJSON struct {
	File string `json:"file_key"`
	Size int64  `json:"size"`
}

// taskJSON is the answer of poll_status: statusJSON, whose notes have no schema of their own.
type taskJSON struct {
	Status string         `json:"operation_status" jsonschema:"queued, running, completed or failed"`
	Files  []fileJSON     `json:"files_data" jsonschema:"one entry for each file that is made; download_link where it is completed"`
	Main   string         `json:"main_task_id"`
	Action string         `json:"action"`
	Notes  map[string]any `json:"notes,omitempty"`
}

// about describes a tool.
func about(name, title, text string) *mcp.Tool {
	no := false
	return &mcp.Tool{
		Name: name, Title: title, Description: text,
		Annotations: &mcp.ToolAnnotations{DestructiveHint: &no, OpenWorldHint: &no}, // no file is ever changed
	}
}

// reading describes a tool that changes nothing.
func reading(name, title, text string) *mcp.Tool {
	t := about(name, title, text)
	t.Annotations.ReadOnlyHint, t.Annotations.IdempotentHint = true, true
	return t
}

// add adds all tools. The names that wire/d3.md §13 tells are those; upload_content, ocr_file and
// thumbnail_file are ours.
func (t *tools) add(s *mcp.Server) {
	t.addUploads(s)
	t.addOperations(s)
	tool(t, s, reading("supported_operation", "Supported Operation", "Tells what can be done with files of a format, and with which parameters."),
		func(ctx context.Context, c caller, in supportedIn) (support, error) {
			return through[support](ctx, c, t.api.supported, in, nil)
		})
	tool(t, s, reading("poll_status", "Poll Status", "Tells how far an operation is, and the download links of what it has made."),
		func(ctx context.Context, c caller, in statusIn) (taskJSON, error) {
			return through[taskJSON](ctx, c, t.api.status, nil, map[string]string{"main": in.Main, "key": in.File})
		})
}

func (t *tools) addUploads(s *mcp.Server) {
	tool(t, s, about("initiate_upload", "Initiate Upload", "Begins an upload. The bytes go by PUT to presigned_urls, in order, outside of "+
		"this protocol; then complete_upload."),
		func(ctx context.Context, c caller, in initiateIn) (uploadJSON, error) {
			return through[uploadJSON](ctx, c, t.api.initiate, in, nil)
		})
	tool(t, s, about("complete_upload", "Complete Upload", "Ends an upload whose bytes have all been sent."),
		func(ctx context.Context, c caller, in completeIn) (completedJSON, error) {
			return through[completedJSON](ctx, c, t.api.complete, in, nil)
		})
	tool(t, s, about("upload_content", "Upload Content", "Uploads a small file in one step, as text or in base64. The whole message "+
		"may have 1 MiB."),
		func(ctx context.Context, c caller, in contentIn) (storedJSON, error) {
			b := []byte(in.Text)
			if in.Base64 != "" {
				var err error
				if b, err = base64.StdEncoding.DecodeString(in.Base64); err != nil || in.Text != "" {
					return storedJSON{}, invalid("base64 must be standard base64, without text beside it.")
				}
			}
			return t.keep(ctx, c, in.Name, in.Type, b)
		})
}

func (t *tools) addOperations(s *mcp.Server) {
	tool(t, s, about("convert_file", "Convert File", "Converts files to another format."),
		func(ctx context.Context, c caller, in convertIn) (acceptedJSON, error) {
			return t.begin(ctx, c, in.does("convert", map[string]any{"convert_to": in.To}), in.Options)
		})
	tool(t, s, about("compress_file", "Compress File", "Makes files smaller, each in its own format."),
		func(ctx context.Context, c caller, in compressIn) (acceptedJSON, error) {
			return t.begin(ctx, c, in.does(magic.Compress, map[string]any{"compression_value": in.Level}), in.Options)
		})
	tool(t, s, about("merge_files", "Merge Files", "Makes one file of several of the same format, in the order of their keys."),
		func(ctx context.Context, c caller, in filesIn) (acceptedJSON, error) {
			return t.begin(ctx, c, in.does(magic.Merge, nil), nil)
		})
	tool(t, s, about("zip_files", "Zip Files", "Packs files of any formats into one ZIP archive."),
		func(ctx context.Context, c caller, in filesIn) (acceptedJSON, error) {
			return t.begin(ctx, c, in.does(magic.Zip, nil), nil)
		})
	tool(t, s, about("ocr_file", "OCR File", "Reads the text that scans and pictures show."),
		func(ctx context.Context, c caller, in optionsIn) (acceptedJSON, error) {
			return t.begin(ctx, c, in.does(magic.OCR, nil), in.Options)
		})
	tool(t, s, about("thumbnail_file", "Thumbnail File", "Makes a small picture of each file."),
		func(ctx context.Context, c caller, in optionsIn) (acceptedJSON, error) {
			return t.begin(ctx, c, in.does(magic.Thumb, nil), in.Options)
		})
	tool(t, s, about("lock_pdf", "Lock PDF", "Encrypts PDF files with a password."),
		func(ctx context.Context, c caller, in passwordIn) (acceptedJSON, error) {
			return t.begin(ctx, c, in.does(magic.Lock, map[string]any{"password": in.Password}), nil)
		})
	tool(t, s, about("unlock_pdf", "Unlock PDF", "Decrypts PDF files whose password is known."),
		func(ctx context.Context, c caller, in passwordIn) (acceptedJSON, error) {
			return t.begin(ctx, c, in.does(magic.Unlock, map[string]any{"password": in.Password}), nil)
		})
	tool(t, s, about("reset_pdf_password", "Reset PDF Password", "Gives PDF files another password."),
		func(ctx context.Context, c caller, in resetIn) (acceptedJSON, error) {
			p := map[string]any{"old_password": in.Old, "new_password": in.New}
			return t.begin(ctx, c, in.does(magic.ResetPassword, p), nil)
		})
}

// does makes a request of do.
func (in filesIn) does(action string, parameters map[string]any) operation {
	return operation{Action: action, Files: in.Files, Parameters: parameters, Notes: in.Notes}
}
