/**
 * The house's habits as rules of `deno lint`, so that nobody has to remember them: how long a file and a
 * function may be, how wide a comment, and that what is private is so by `#`.
 */

/** A file is read in one sitting. */
const FILE_LINES_MAX = 400;
/** A function fits a screen. */
const FUNCTION_LINES_MAX = 70;
/** As the formatter has it for code. */
const COMMENT_COLUMNS_MAX = 110;

type FunctionNode =
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression;

const fileLength: Deno.lint.Rule = {
  create: (context) => ({
    Program(node) {
      const lines = linesIn(context.sourceCode.text.trimEnd());
      if (lines > FILE_LINES_MAX) {
        context.report({
          node,
          message: `The file has ${lines} lines, and at most ${FILE_LINES_MAX} are allowed`,
        });
      }
    },
  }),
};

const functionLength: Deno.lint.Rule = {
  create(context) {
    const check = (node: FunctionNode) => {
      const lines = linesIn(context.sourceCode.text.slice(...node.range));
      if (lines <= FUNCTION_LINES_MAX) return;
      context.report({
        node,
        message: `The function has ${lines} lines, and at most ${FUNCTION_LINES_MAX} are allowed`,
      });
    };
    return { FunctionDeclaration: check, FunctionExpression: check, ArrowFunctionExpression: check };
  },
};

const commentWidth: Deno.lint.Rule = {
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        const [start, end] = comment.range;
        const lineStart = context.sourceCode.text.lastIndexOf("\n", start) + 1;
        const lines = context.sourceCode.text.slice(lineStart, end).split("\n");
        if (lines.every((line) => line.length <= COMMENT_COLUMNS_MAX)) continue;
        context.report({
          range: comment.range,
          message: `The comment is wider than ${COMMENT_COLUMNS_MAX} columns`,
        });
      }
    },
  }),
};

const hashPrivate: Deno.lint.Rule = {
  create(context) {
    const check = (node: Deno.lint.PropertyDefinition | Deno.lint.MethodDefinition) => {
      // A constructor has no other way.
      if (node.accessibility !== "private" || ("kind" in node && node.kind === "constructor")) return;
      context.report({ node, message: "A private member begins with #" });
    };
    return { PropertyDefinition: check, MethodDefinition: check };
  },
};

function linesIn(text: string): number {
  return text.split("\n").length;
}

export default {
  name: "house",
  rules: {
    "file-length": fileLength,
    "function-length": functionLength,
    "comment-width": commentWidth,
    "hash-private": hashPrivate,
  },
} satisfies Deno.lint.Plugin;
