// Shows the API's OpenAPI document, in the colours that the system prefers, and lets the browser's own login call it.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const viewer = document.getElementById("viewer");
const nothing = () => () => null;
const components = {
  // The browser has logged in already, so there is nothing to fill in.
  authorizeBtn: nothing,
  authorizeOperationBtn: nothing,
  // A link within the button that opens the endpoint would be two controls in one.
  DeepLink: () => ({ text }) => text,
  // About the whole: outside of the viewer's <main>, so a landmark of its own.
  InfoContainer: (Info, { React }) => (properties) =>
    React.createElement("section", { "aria-label": "About this API" }, React.createElement(Info, properties)),
  // Headings to jump between: the viewer has an <h1> above its endpoints, an <h4> within them, and none between.
  operations: (Operations, { React }) => (properties) =>
    React.createElement(
      "div", null,
      React.createElement("h2", { className: "visually-hidden" }, "Endpoints"),
      React.createElement(Operations, properties),
    ),
  OperationSummary: (Summary, { React }) => (properties) =>
    React.createElement("div", { role: "heading", "aria-level": 3 }, React.createElement(Summary, properties)),
};

SwaggerUIBundle({
  domNode: viewer,
  url: viewer.dataset.document,
  validatorUrl: null, // else a server on the internet would be asked
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1, // none but that of errors, which each endpoint's answers tell
  syntaxHighlight: false, // its colours are for a dark background only
  displayRequestDuration: true,
  tryItOutEnabled: true,
  plugins: [{ wrapComponents: components }],
  requestInterceptor: (request) => {
    request.curlOptions = ["-u", `${viewer.dataset.user}:PASSWORD`]; // of the line that is shown
    return request;
  },
});
