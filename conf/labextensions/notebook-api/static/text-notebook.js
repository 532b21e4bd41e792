// An extension of JupyterLab and Notebook 7: a double click on server.py opens a notebook, and other files that end
// with .py can be opened as one.
//
// Written as their loader expects it (a container of module federation), as there is nothing to build:
// https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html
(() => {
  const plugin = {
    id: "notebook-api:text-notebook",
    autoStart: true,
    activate: (app) => {
      const text = { displayName: "Notebook as text", mimeTypes: ["text/x-python"], contentType: "notebook", fileFormat: "json" };
      app.docRegistry.addFileType({ ...text, name: "server.py", pattern: "^server\\.py$" }, ["Notebook"]);
      // The first opens a file by a double click.
      app.docRegistry.addFileType({ ...text, name: "percent-script", extensions: [".py"] }, ["Editor", "Notebook"]);
    },
  };
  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB["notebook-api"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
