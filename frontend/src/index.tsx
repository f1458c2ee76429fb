/** TensorBoard imports this module in an empty frame and calls `render`. */

import { render as mount } from "preact";
import uPlotStyle from "uplot/dist/uPlot.min.css?inline";
import ownStyle from "./style.css?inline";
import { App } from "./components/App";
import { followFont, followTheme } from "./parentPage";
import { openForPrint } from "./print";
import { start } from "./store";
import { watchTheme } from "./theme";

export async function render(): Promise<void> {
  document.documentElement.lang = "en";
  document.title = "SCRAM";
  // a part of the module: no second request before the first paint
  const style = document.createElement("style");
  style.textContent = uPlotStyle + ownStyle;
  document.head.append(style);
  followFont();
  followTheme();
  watchTheme();
  mount(<App />, document.body);
  openForPrint();
  start();
}
